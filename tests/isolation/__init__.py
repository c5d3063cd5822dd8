"""Isolation: nobody is ever served bytes that PocketBase would not have given to them.

Random *worlds* (collections, rules, rows, callers) are read with random *asks* (a URL and headers) by
everybody, in mixed order, through a warm Hapta and directly; the answers must be equal. Between rounds rows,
accounts and rules change. All is drawn from a seed: ``python -m tests.isolation --seed N`` says it again.
"""
