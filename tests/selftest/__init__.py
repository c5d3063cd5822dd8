"""``hapta test`` against real installations, whole and broken ones."""
