"""What Hapta checks for those who write no Python, from ``[validate.<collection>]``: plugins like any other,
which know no more of Hapta than :mod:`hapta.plugins` shows."""
