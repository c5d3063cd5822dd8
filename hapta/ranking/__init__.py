"""Ranked feeds: which rows one caller gets first.

* :mod:`~hapta.ranking.features` are the columns that are ranked, and what of a caller counts.
* :mod:`~hapta.ranking.spec` is a feed's configuration held against a schema.
* :mod:`~hapta.ranking.table` keeps the columns as rows come, change and go: :mod:`~hapta.ranking.signals` are
  numbers about rows, :mod:`~hapta.ranking.edges` tie callers to authors and rows,
  :mod:`~hapta.ranking.places` are small numbers for ids.
* :mod:`~hapta.ranking.presets` has the formulas, :mod:`~hapta.ranking.rank` goes from columns to an order.
* :mod:`~hapta.ranking.interactions` are what people did with rows.
* :mod:`~hapta.ranking.snapshots` are orders that callers page through.

Nothing here speaks to PocketBase, and nothing here decides what somebody may see but
:mod:`~hapta.ranking.visible`, and that only where the rule leaves no doubt; the rows of a page are always
asked for as the caller.
"""
