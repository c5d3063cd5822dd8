"""PocketBase's language of rules and filters: read, and what its operators say of known values."""
