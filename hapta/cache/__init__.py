"""The cache: whom a stored response may be shown to, and what makes it wrong."""
