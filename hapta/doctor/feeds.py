"""The ranked feeds of the running Hapta: which of them answer, and what it costs to tell their rows."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hapta.doctor.finding import Finding, ok, warn


def ranked_feeds(items: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """What an answer to ``GET /feeds`` means; nothing where no feed is configured."""
    for item in items:
        yield from _findings(f"feed {item['name']}", item)


def _findings(name: str, item: Mapping[str, Any]) -> Iterator[Finding]:
    match item["state"]:
        case "unusable":
            for problem in item["problems"]:
                yield warn(
                    name,
                    f"it answers 503, for the schema does not fit it: {problem}",
                    "correct that key, or the collection in the dashboard",
                )
            return
        case "loading":
            yield warn(
                name,
                f"it answers 503 until its table is loaded: {item['rows_read']:,} rows read so far",
                "wait; if the rows get no more, look for ranked_feed_waits in Hapta's log",
            )
            return
        case "rebuilding":
            yield warn(
                name,
                "it answers from a table in which changes may be missing, until the next one is built: "
                f"{item['rows_read']:,} rows read so far",
                "wait; if it stays so, look for feed_gap and ranked_feed_waits in Hapta's log",
            )
        case _:
            scored_by = "a plugin" if item["is_plugin"] else item["preset"]
            yield ok(name, f"{item['rows']:,} rows in {item['bytes']:,} bytes, scored by {scored_by}")
    if item["visibility"] == "pocketbase":
        yield warn(
            name,
            f"for each order PocketBase is asked which rows of {item['collection']} its caller may see, "
            "for its listRule does not tell that from a row alone",
            "a listRule that compares fields of the row with constants and the caller's id costs nothing; "
            "docs/feeds.md says which",
        )
