"""hapta.selftest.check"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from hapta.selftest import CHECKS, Credentials, Installation, Status, check
from hapta.selftest.check import Check, Result, run_check, run_checks
from hapta.selftest.installation import Failed, Skipped
from hapta.selftest.suite import CLEAN_UP, READ_ONLY_CHECKS

Run = Callable[[Installation], Awaitable[None]]


@pytest.fixture
async def installation() -> AsyncIterator[Installation]:
    async with Installation("http://hapta.example", Credentials()) as installation:
        yield installation


def raising(exc: BaseException | None) -> Run:
    async def run(_: Installation) -> None:
        if exc is not None:
            raise exc

    return run


@pytest.mark.parametrize(
    ("exc", "status", "reason"),
    [
        pytest.param(None, Status.OK, "", id="fine"),
        pytest.param(Failed("why"), Status.FAIL, "why", id="failed"),
        pytest.param(Skipped("why"), Status.SKIP, "why", id="skipped"),
        pytest.param(
            KeyError("id"),
            Status.FAIL,
            "an answer is not as PocketBase gives it (KeyError: 'id')",
            id="another form",
        ),
        pytest.param(
            Failed("a\x1b[2J\nb ?token=secret"), Status.FAIL, r"a\x1b[2J\nb ?token=[redacted]", id="odd text"
        ),
    ],
)
async def test_a_result_tells_how_it_went_and_why(
    installation: Installation, exc: BaseException | None, status: Status, reason: str
) -> None:
    result = await run_check(Check("x", raising(exc)), installation)
    assert (result.name, result.status, result.reason) == ("x", status, reason)


async def test_a_check_that_takes_too_long_fails(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(_: Installation) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(check, "CHECK_S", 0.01)
    result = await run_check(Check("x", stuck), installation)
    assert (result.status, result.reason) == (Status.FAIL, "not done after 0.01 s")
    assert result.ms >= 10


async def test_what_needs_a_failed_or_skipped_check_is_skipped_and_says_so(
    installation: Installation,
) -> None:
    checks = [
        Check("a", raising(None)),
        Check("b", raising(Failed("no"))),
        Check("c", raising(None), ("a", "b")),
        Check("d", raising(None), ("c",)),
        Check("e", raising(None), ("a",)),
    ]
    results: list[Result] = []
    await run_checks(checks, installation, results.append)
    assert [(r.name, r.status, r.reason) for r in results] == [
        ("a", Status.OK, ""),
        ("b", Status.FAIL, "no"),
        ("c", Status.SKIP, "needs b"),
        ("d", Status.SKIP, "needs c"),
        ("e", Status.OK, ""),
    ]


@pytest.mark.parametrize("checks", [CHECKS, READ_ONLY_CHECKS], ids=["all", "read-only"])
def test_each_check_needs_only_what_stands_before_it(checks: tuple[Check, ...]) -> None:
    seen: set[str] = set()
    for one in checks:
        assert set(one.needs) <= seen
        assert one.name not in seen
        seen.add(one.name)


def test_no_read_only_check_writes_and_cleaning_up_does() -> None:
    assert not any(one.writes for one in READ_ONLY_CHECKS)
    assert CLEAN_UP.writes
