"""Every scenario directly and through Hapta, on twins: each step must come out as expected, and equally, and
no token that PocketBase issued meanwhile may leave Hapta.

Hapta stands between two relays: one tells which tokens it got, the other all that its clients got.
"""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeHapta, MakePocketBase
from tests.sdk.runner import SCENARIOS, Side, run
from tests.sessions.support import Account, Door, claims_of
from tests.support.compare import differences
from tests.support.leaks import files, issued, traces
from tests.support.normalise import Normaliser
from tests.support.oidc import OidcProvider
from tests.support.pocketbase import PocketBase
from tests.support.relay import Relay
from tests.support.twins import Twins

SCENARIO_TIMEOUT_S = 45.0
pytestmark = pytest.mark.timeout(180)  # the first test installs the npm packages


@pytest.fixture(scope="session")
def provider() -> Iterator[OidcProvider]:
    """Where the OAuth2 scenario signs in."""
    with OidcProvider() as provider:
        yield provider


@dataclass(frozen=True)
class Watched:
    """Twins with Hapta between two relays.

    Attributes:
        behind: between Hapta and PocketBase.
        before: between clients and Hapta.
    """

    twins: Twins
    behind: Relay
    before: Relay


@pytest.fixture(params=["adopt", pytest.param("refuse", marks=pytest.mark.all_modes)])
def watched(
    request: pytest.FixtureRequest, make_pocketbase: MakePocketBase, make_hapta: MakeHapta
) -> Iterator[Watched]:
    """With PocketBase's own tokens adopted, and with them refused: the SDK never meets one."""
    direct, pocketbase = make_pocketbase(), make_pocketbase()
    with ExitStack() as closing:
        behind = closing.enter_context(Relay(pocketbase.url))
        hapta = make_hapta(upstream=behind.url, sessions__raw_tokens=request.param, log__level="debug")
        closing.callback(hapta.stop)  # before the relay it speaks through
        before = closing.enter_context(Relay(hapta.url))
        yield Watched(Twins(direct, pocketbase, hapta), behind, before)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_a_frontend_gets_the_same_answers_directly_and_through_hapta(
    node: str, scenario: Path, watched: Watched, provider: OidcProvider
) -> None:
    twins = watched.twins
    sides = (_direct(twins, provider), _through_hapta(watched, provider))
    with ThreadPoolExecutor(2) as both:
        transcripts = list(both.map(lambda side: run(node, scenario, side, SCENARIO_TIMEOUT_S), sides))
    _no_token_got_out(watched)
    assert transcripts[0], "a scenario without steps shows nothing"
    unexpected = [
        f"{side.name}, expected {step['expected']}: {json.dumps(step, ensure_ascii=False)}"
        for side, steps in zip(sides, transcripts, strict=True)
        for step in steps
        if not _came_out_as_expected(step)
    ]
    assert not unexpected, "\n".join(unexpected)
    direct, through = (
        Normaliser(twins.since, side.own).value(steps) for side, steps in zip(sides, transcripts, strict=True)
    )
    assert [step["name"] for step in direct] == [step["name"] for step in through]
    different = [
        f"{one['name']!r}, directly != through Hapta\n  " + "\n  ".join(differences(one, other))
        for one, other in zip(direct, through, strict=True)
        if one != other
    ]
    assert not different, "\n".join(different)


def test_a_token_that_gets_out_is_noticed(watched: Watched) -> None:
    """Planted everywhere: a page shows what it was asked for (the log does not), a counter stores it."""
    hapta = watched.twins.hapta
    with Door(watched.before.url) as door:
        session = door.login(Account("user00000000001", "ada@example.com", "users"))
        assert door.who(session) == (200, "user00000000001")
    _no_token_got_out(watched)
    token = _token_behind(watched, "user00000000001")
    hapta.start()
    with Door(watched.before.url) as door:
        door.ask("GET", f"/page/{token}")
    watched.twins.behind.admin.post(f"/api/custom/count/{token}").raise_for_status()
    with hapta.log_path.open("a") as log:
        log.write(f'{{"path":"/page/{token}"}}\n')
    (hapta.home / "spooled").write_text(token)
    with pytest.raises(AssertionError) as caught:
        _no_token_got_out(watched)
    for place in ("towards clients", "hapta.log", "spooled", "data.db-wal"):
        assert f"{place}: " in str(caught.value)


def _token_behind(watched: Watched, record: str) -> str:
    answers = b"".join(watched.behind.answered).decode("latin-1")
    found = set(re.findall(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{43}", answers))
    (token,) = (
        token for token in found if (claims_of(token)["id"], claims_of(token)["type"]) == (record, "auth")
    )
    return token


def _no_token_got_out(watched: Watched) -> None:
    """Neither to clients nor into Hapta's log, its state directory or, through its sessions, the database."""
    watched.twins.hapta.stop()  # the log is written behind the answers
    tokens = issued(watched.behind.answered)
    assert tokens, "Hapta itself has logged in"
    twins = watched.twins
    written = {"towards clients": watched.before.answered, **files(twins.hapta.home)}
    stored = {name: data for name, data in files(twins.behind.data_dir).items() if name.startswith("data.db")}
    assert "hapta.log" in written
    assert any(b"hapta_sessions" in text for data in stored.values() for text in data)
    found = traces(tokens, {**written, **stored})
    assert not found, "\n".join(found)


def _direct(twins: Twins, provider: OidcProvider) -> Side:
    def restart() -> None:
        _restart(twins.direct)

    actions = {"restart server": restart, "restart upstream": restart}
    return _side("directly", twins.direct.url, twins.direct, provider, actions)


def _through_hapta(watched: Watched, provider: OidcProvider) -> Side:
    twins = watched.twins

    def restart_hapta() -> None:
        twins.hapta.stop()
        twins.hapta.start()

    def restart_upstream() -> None:
        _restart(twins.behind)
        twins.hapta.wait_until_ready()

    actions = {"restart server": restart_hapta, "restart upstream": restart_upstream}
    return _side("through Hapta", watched.before.url, twins.behind, provider, actions)


def _side(
    name: str,
    url: str,
    pocketbase: PocketBase,
    provider: OidcProvider,
    actions: dict[str, Callable[[], None]],
) -> Side:
    def add_provider() -> None:
        settings = {"oauth2": provider.settings()}
        pocketbase.admin.patch("/api/collections/users", json=settings).raise_for_status()

    own = (url, str(pocketbase.home))
    return Side(name, url, pocketbase.mail.directory, own, {**actions, "add provider": add_provider})


def _restart(pocketbase: PocketBase) -> None:
    pocketbase.stop()
    pocketbase.start()


def _came_out_as_expected(step: dict[str, Any]) -> bool:
    if step["ok"]:
        return bool(step["expected"] == "ok")
    return bool(step["expected"] == step["error"]["status"])
