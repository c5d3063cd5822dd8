"""Plugins, with a real PocketBase."""
