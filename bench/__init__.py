"""Measures Hapta beside its peers: ``python -m bench --help``.

Servers are pinned to one core and the load generator to another, runs of all contenders are interleaved, and
ratios are taken within a round, so that a machine which is busy for a while slows all of them alike. Nothing
is kept between runs: data, logs and configuration live in a temporary folder.
"""
