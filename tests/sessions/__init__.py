"""Sessions through a running Hapta, before a real PocketBase."""
