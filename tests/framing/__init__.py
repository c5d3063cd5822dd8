"""What two parsers could read differently: the answer, and what reached the upstream."""
