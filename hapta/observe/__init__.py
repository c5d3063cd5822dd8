"""What the operator sees of a running gateway: metrics, access lines, events."""
