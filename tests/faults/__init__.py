"""Upstreams that fail and clients that misbehave: the right status, nothing left, the next request fine."""
