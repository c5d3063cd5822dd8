"""Written behind Hapta's back, visible through Hapta: within the feed's delay, whatever the door was."""

from functools import partial

import httpx
import pytest

from tests.coherence.lag import Lags
from tests.coherence.own import Own, holds_ids, plain, records, rev_is
from tests.coherence.row_cases import ROW_CASES, row_cases
from tests.coherence.site import Site
from tests.coherence.world import PEOPLE

REPEATS = 15


@pytest.mark.parametrize("kind", ROW_CASES)
async def test_a_row_changed_behind_hapta_is_seen_changed(either_site: Site, lags: Lags, kind: str) -> None:
    site, line = either_site, either_site.line()
    for _ in range(REPEATS):
        own = Own(site)
        target, caller, shows, change = row_cases(own)[kind]
        await lags.measure(kind, line, target, site.tokens.get(caller, ""), shows, change)
        if kind == "e-mail address hidden":
            own.ask("PATCH", records("people", PEOPLE[2]), {"emailVisibility": True})


async def test_what_a_hook_writes_to_another_record_is_seen_too_when_the_write_came_through_hapta(
    either_site: Site, lags: Lags
) -> None:
    site, line = either_site, either_site.line()
    for _ in range(REPEATS):
        own = Own(site)
        through = site.hapta.url + records("bells", own.bell)
        change = partial(httpx.patch, through, json={"rev": 9})
        kind, echo = "change by a hook on a write through Hapta", records("echoes", own.echo)
        await lags.measure(kind, line, echo, "", rev_is(9), change)


async def test_a_truncated_collection_is_seen_empty(either_site: Site, lags: Lags) -> None:
    site, line = either_site, either_site.line()
    own = Own(site)
    own.ask("POST", "/api/collections", plain("emptied"))
    own.make("emptied", "emptied00000001")
    await lags.measure(
        "truncate",
        line,
        records("emptied"),
        "",
        holds_ids(),
        lambda: own.ask("DELETE", "/api/collections/emptied/truncate"),
    )
