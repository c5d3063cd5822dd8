"""Values: no I/O, and nothing of Hapta is imported here."""
