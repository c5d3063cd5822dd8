"""How an answer came to be, as its ``Cache-Status`` (RFC 9211) tells."""

from collections.abc import Mapping

_HITS: Mapping[str, str] = {
    "shared": "stored, as it is",
    "overlay": "stored, the caller's own e-mail put in",
    "patched": "stored, brought up to date with a write",
    "refilled": "made of the answer to a write",
    "from-list": "made of records other answers showed",
    "stale-if-error": "stale, for PocketBase did not answer",
    "stale-while-revalidate": "stale, and fetched anew meanwhile",
}
_REST: Mapping[str, str] = {
    "edge": "by Hapta alone, without its cache",
    "uri-miss": "fetched: nothing was stored",
    "stale": "fetched: what was stored was no longer true",
    "collapsed": "waited for another's fetch",
    "bypass": "passed on",
}
WAYS: Mapping[str, str] = {**_HITS, **_REST, "other": "in a way this table does not know"}
"""All there are, each with what it means, from the cheapest on."""


def way_of(cache_status: str) -> str:
    """The way of one answer; one of :data:`WAYS`.

    Args:
        cache_status: its ``Cache-Status``, empty if it has none.
    """
    if not cache_status:
        return "edge"
    parts = [part.strip() for part in cache_status.rpartition(",")[2].split(";")]
    parameters = dict(part.partition("=")[::2] for part in parts[1:])
    if "hit" in parameters:
        return parameters.get("detail", "shared") if parameters.get("detail", "shared") in _HITS else "other"
    if "collapsed" in parameters:
        return "collapsed"
    forwarded = parameters.get("fwd", "")
    return forwarded if forwarded in _REST else "other"
