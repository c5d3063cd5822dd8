"""A check, its result, and the order they run in.

A check is one coroutine function that returns when all is well and otherwise raises :class:`Failed` or
:class:`Skipped` with the reason. A check whose need was not met is skipped and says so, so that one fault
shows as one failure and not as ten.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hapta.observe.redact import mask_credentials, printable
from hapta.selftest.installation import Failed, Installation, Skipped

CHECK_S: Final = 20.0
"""Seconds a single check may take."""


class Status(StrEnum):
    """How a check went."""

    OK = "ok"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the installation.

    Attributes:
        name: what it proves, in a few words.
        run: asks it.
        needs: names of checks that must have passed.
        writes: it changes something in PocketBase, so ``--read-only`` leaves it out.
    """

    name: str
    run: Callable[[Installation], Awaitable[None]]
    needs: tuple[str, ...] = ()
    writes: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a check.

    Attributes:
        ms: milliseconds it took; 0 when it did not run.
        reason: why it failed or was skipped; empty when all is well. One line, safe to show.
    """

    name: str
    status: Status
    ms: float = 0.0
    reason: str = ""


async def run_checks(
    checks: Sequence[Check], installation: Installation, on_result: Callable[[Result], None]
) -> None:
    """Run ``checks`` one after the other, telling each result when it is there."""
    passed: set[str] = set()
    for check in checks:
        unmet = [need for need in check.needs if need not in passed]
        if unmet:
            result = Result(check.name, Status.SKIP, reason=f"needs {unmet[0]}")
        else:
            result = await run_check(check, installation)
        if result.status is Status.OK:
            passed.add(check.name)
        on_result(result)


async def run_check(check: Check, installation: Installation) -> Result:
    """Run one check, whatever it needs."""
    started = time.perf_counter()
    status, reason = Status.OK, ""
    try:
        async with asyncio.timeout(CHECK_S):
            await check.run(installation)
    except Skipped as exc:
        status, reason = Status.SKIP, str(exc)
    except Failed as exc:
        status, reason = Status.FAIL, str(exc)
    except TimeoutError:
        status, reason = Status.FAIL, f"not done after {CHECK_S:g} s"
    except (LookupError, TypeError, ValueError, AttributeError) as exc:
        # A check reads answers in PocketBase's form; that one of another form cannot be read is a finding.
        status = Status.FAIL
        reason = f"an answer is not as PocketBase gives it ({type(exc).__name__}: {exc})"
    ms = round((time.perf_counter() - started) * 1000, 1)
    return Result(check.name, status, ms, printable(mask_credentials(reason)))
