"""The reference workload of ``hapta bench``: what 50,000 requests of a small social app cost PocketBase.

Pure: :mod:`prng`, :mod:`profiles`, :mod:`draws` (what is asked, in which order), :mod:`bounds` (what an ideal
cache of a given kind would send upstream), :mod:`calls` (the HTTP requests the draws stand for), :mod:`rows`,
:mod:`schema`. With I/O: :mod:`seed`, :mod:`shim` (counts what arrives at PocketBase), :mod:`drive`,
:mod:`oracle`, :mod:`run`.
"""
