"""``hapta doctor`` with real servers around it."""
