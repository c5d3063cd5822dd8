"""Checks of ranked feeds: each answers, goes on from page to page, and shows nobody more than a list does.

What they see is that of a guest, and of the tests' own user where there is one; neither follows or likes
anything. Rows come, go and are hidden while this looks: what is found wrong is looked at once more.
"""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx

from hapta.hooks.filter_params import quoted
from hapta.selftest.installation import Failed, Installation, explained, parsed

PAGES: Final = 3
PER_PAGE: Final = 20


async def answers(installation: Installation) -> None:
    """Each feed answers under both of its addresses, or refuses as an ordinary list of its rows does."""
    for feed, collection in installation.setup.feeds.items():
        for who, token in _callers(installation):
            for path in (_feed_path(feed), f"{_list_path(collection)}?{urlencode({'feed': feed})}"):
                answer = await installation.ask("GET", path, token=token)
                if answer.status_code == 200 and parsed(answer).get("snapshot"):
                    continue
                if answer.status_code == 200:
                    raise Failed(
                        f"{path} is no ranked feed: was Hapta reloaded since config.toml was changed?"
                    )
                plain = await installation.ask("GET", _list_path(collection), token=token)
                if plain.status_code != answer.status_code:
                    raise Failed(
                        f"{feed} for {who}: expected 200, got {explained(answer)}; "
                        "`hapta doctor` and `hapta feeds list` say why"
                    )


async def pages(installation: Installation) -> None:
    """The pages of one snapshot follow each other, and no row stands on two of them."""
    for feed in installation.setup.feeds:
        for who, token in _callers(installation):
            seen: set[str] = set()
            snapshot = ""
            for page in range(1, PAGES + 1):
                found = await _page(installation, feed, token, page, snapshot)
                if found is None:
                    break
                if snapshot and found["snapshot"] != snapshot:
                    raise Failed(f"{feed} for {who}: page {page} is of another snapshot than was asked for")
                snapshot = found["snapshot"]
                ids = _ids(found)
                if len(set(ids)) < len(ids) or not seen.isdisjoint(ids):
                    raise Failed(f"{feed} for {who}: a row of page {page} was there already")
                seen.update(ids)
                if page >= found["totalPages"]:
                    break


async def no_more_than_lists(installation: Installation) -> None:
    """Whoever gets a row in a feed gets it in an ordinary list, too."""
    for feed, collection in installation.setup.feeds.items():
        for who, token in _callers(installation):
            more = await _more(installation, feed, collection, token)
            if more:
                more &= await _more(installation, feed, collection, token)
            if more:
                raise Failed(
                    f"{feed} shows {who} {min(more)}, which a list of {collection} does not: report it"
                )


def _callers(installation: Installation) -> Iterator[tuple[str, str]]:
    """Each with a token."""
    yield "a guest", ""
    if installation.user:
        yield "a user", installation.user


async def _more(installation: Installation, feed: str, collection: str, token: str) -> set[str]:
    """Ids on the first page that the list of them has not."""
    found = await _page(installation, feed, token, 1, "")
    ids = [] if found is None else _ids(found)
    if not ids:
        return set()
    query = {
        "filter": " || ".join(f"id = {quoted(each)}" for each in ids),
        "perPage": PER_PAGE,
        "fields": "id",
    }
    listed = await installation.expect(
        200, "GET", f"{_list_path(collection)}?{urlencode(query)}", token=token
    )
    return set(ids) - set(_ids(listed))


async def _page(
    installation: Installation, feed: str, token: str, page: int, snapshot: str
) -> dict[str, Any] | None:
    """One page; ``None`` where the feed is closed to this caller."""
    query = {"page": page, "perPage": PER_PAGE, "fields": "id", "snapshot": snapshot}
    answer = await installation.ask("GET", f"{_feed_path(feed)}?{urlencode(query)}", token=token)
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return None
    if answer.status_code != 200:
        raise Failed(f"page {page} of {feed}: expected 200, got {explained(answer)}")
    found: dict[str, Any] = parsed(answer)
    return found


def _ids(found: dict[str, Any]) -> list[str]:
    return [item["id"] for item in found["items"]]


def _feed_path(feed: str) -> str:
    return f"/api/hapta/feeds/{feed}"


def _list_path(collection: str) -> str:
    return f"/api/collections/{quote(collection, safe='')}/records"
