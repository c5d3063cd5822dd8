"""The unmodified PocketBase SDK as an existing frontend: each scenario directly and through Hapta."""
