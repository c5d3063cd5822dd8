"""PocketBase's language of rules and filters: read, never evaluated here."""
