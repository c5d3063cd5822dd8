"""Sessions through a real PocketBase.

Rows of ``docs/differences.md`` that are proved here, and in the unit tests of ``hapta.identity`` and
``hapta.stages``: ``tokens``, ``one-login-one-token``, ``ended-sessions``, ``file-tokens``, ``auth-plain``,
``authorization-in-rules``, ``refused-raw-tokens``, ``too-many-proofs``, ``cut-streams``; ``own-collections``
in ``tests/feed``.
"""
