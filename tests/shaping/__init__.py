"""Rows shaped by plugins, end to end: what anybody gets is PocketBase's answer to them, shaped for them."""
