"""The same raw request to PocketBase and through Hapta: equal status, body and meaningful headers."""
