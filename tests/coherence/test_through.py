"""Written through Hapta: the very next read shows it, whatever was written and wherever it is seen."""

from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from tests.coherence.lag import Lags
from tests.coherence.own import Own, records, rev_is
from tests.coherence.row_cases import ROW_CASES, row_cases
from tests.coherence.schema_cases import CASES, Collection
from tests.coherence.site import Site
from tests.coherence.world import PEOPLE, SUPERUSER

REPEATS = 10
TOLD_BY_THE_FEED = {"change by a hook"}
"""What a hook writes on its own, Hapta hears of from PocketBase."""


@pytest.fixture
def superuser(either_site: Site) -> Iterator[httpx.Client]:
    """Through Hapta."""
    headers = {"Authorization": either_site.tokens[SUPERUSER]}
    with httpx.Client(base_url=either_site.hapta.url, headers=headers, timeout=60) as client:
        yield client


@pytest.mark.parametrize("kind", [kind for kind in ROW_CASES if kind not in TOLD_BY_THE_FEED])
async def test_a_changed_row_is_seen_at_once(
    either_site: Site, superuser: httpx.Client, lags: Lags, kind: str
) -> None:
    line = either_site.line()
    for _ in range(REPEATS):
        own = Own(either_site, superuser)
        target, caller, shows, change = row_cases(own)[kind]
        token = either_site.tokens.get(caller, "")
        await lags.measure(kind, line, target, token, shows, change, at_most_s=0)
        if kind == "e-mail address hidden":
            own.ask("PATCH", records("people", PEOPLE[2]), {"emailVisibility": True})


@pytest.mark.parametrize("kind", CASES)
async def test_a_changed_schema_is_seen_at_once(
    either_site: Site, superuser: httpx.Client, lags: Lags, kind: str
) -> None:
    line = either_site.line()
    rest, shows, change = CASES[kind]
    for _ in range(REPEATS // 3):
        collection = Collection(either_site, superuser)
        target = records(collection.name) + rest
        await lags.measure(kind, line, target, "", shows, partial(change, collection), at_most_s=0)


async def test_sql_is_seen_at_once(either_site: Site, superuser: httpx.Client, lags: Lags) -> None:
    line = either_site.line()
    for _ in range(REPEATS):
        own = Own(either_site, superuser)
        query = f"UPDATE notes SET rev = 5 WHERE id = '{own.note}'"
        change = partial(own.sql, query)
        await lags.measure("sql", line, records("notes", own.note), "", rev_is(5), change, at_most_s=0)
