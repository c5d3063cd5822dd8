"""Hapta: the layer in front of PocketBase."""

__version__ = "0.1.0"
