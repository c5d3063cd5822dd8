"""Hooks: what a plugin may do to requests, and how its functions are found, ordered and run."""
