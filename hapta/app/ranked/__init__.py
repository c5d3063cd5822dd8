"""How the tables of ranked feeds come about and stay current; put together in
:mod:`hapta.app.ranked_tables`.

Everything here needs NumPy: it is imported only where a feed is configured.
"""
