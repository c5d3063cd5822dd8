"""Every scenario directly and through Hapta, on twins: each step must come out as expected, and equally."""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.runner import HERE, SCENARIOS, Side, run
from tests.support.compare import differences
from tests.support.normalise import Normaliser
from tests.support.oidc import OidcProvider
from tests.support.pocketbase import PocketBase
from tests.support.twins import Twins

SCENARIO_TIMEOUT_S = 45.0
pytestmark = pytest.mark.timeout(180)  # the first test installs the npm packages


@pytest.fixture(scope="session")
def node() -> str:
    """The ``node`` executable, the packages of package-lock.json being installed."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.fail("the SDK tests need Node 20 or newer with npm on PATH: install it, they are not skipped")
    lock = HERE / "package-lock.json"
    installed = HERE / "node_modules" / ".package-lock.json"
    with lock.open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # another test session in the same tree may be installing
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            command = [npm, "ci", "--no-audit", "--no-fund"]
            answer = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
            assert answer.returncode == 0, f"npm ci failed:\n{answer.stdout}{answer.stderr}"
    return found


@pytest.fixture(scope="session")
def provider() -> Iterator[OidcProvider]:
    """Where the OAuth2 scenario signs in."""
    with OidcProvider() as provider:
        yield provider


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_a_frontend_gets_the_same_answers_directly_and_through_hapta(
    node: str, scenario: Path, twins: Twins, provider: OidcProvider
) -> None:
    sides = (_direct(twins, provider), _through_hapta(twins, provider))
    with ThreadPoolExecutor(2) as both:
        transcripts = list(both.map(lambda side: run(node, scenario, side, SCENARIO_TIMEOUT_S), sides))
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


def _direct(twins: Twins, provider: OidcProvider) -> Side:
    def restart() -> None:
        _restart(twins.direct)

    actions = {"restart server": restart, "restart upstream": restart}
    return _side("directly", twins.direct.url, twins.direct, provider, actions)


def _through_hapta(twins: Twins, provider: OidcProvider) -> Side:
    def restart_hapta() -> None:
        twins.hapta.stop()
        twins.hapta.start()

    def restart_upstream() -> None:
        _restart(twins.behind)
        twins.hapta.wait_until_ready()

    actions = {"restart server": restart_hapta, "restart upstream": restart_upstream}
    return _side("through Hapta", twins.hapta.url, twins.behind, provider, actions)


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
