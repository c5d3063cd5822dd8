"""What a stage says does not concern it passes through it as it came, so it may be left out of its way."""

from collections.abc import Callable
from copy import copy
from itertools import product
from typing import Any

import pytest

from hapta.config import CorsConfig, LoginConfig, RateLimitConfig
from hapta.model.clock import ManualClock
from hapta.model.concerns import EVERYTHING, concerned_kinds
from hapta.model.exchange import Answer, Exchange, Handler, Stage
from hapta.model.operation import OperationClass
from hapta.stages.admin import batch_lock
from hapta.stages.cors import preflights
from hapta.stages.doubt import cast_doubt
from hapta.stages.edge_reads import EdgeReads
from hapta.stages.edge_refusal import EdgeRefusal
from hapta.stages.file_guard import FileGuard
from hapta.stages.files import FileCache
from hapta.stages.guard_credentials import GuardCredentials
from hapta.stages.guard_oauth2 import GuardOAuth2
from hapta.stages.guard_writes import GuardWrites
from hapta.stages.limit import Limits
from hapta.stages.login import guard_logins
from hapta.stages.own import health_routes, no_own_route
from hapta.stages.own_collections import hide_own_collections
from hapta.stages.readable import AskOnlyReadable
from hapta.stages.restore import fence_restores
from hapta.stages.schema_refusal import SchemaRefusal
from hapta.stages.session_routes import session_routes
from hapta.stages.settings_watch import settings_watch
from tests.support.exchanges import exchange


class _NeverAsked:
    """What a stage works with, and must leave alone here."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the stage looked at {name}")

    def __call__(self, *args: object) -> Any:
        raise AssertionError("the stage asked")


NOT_ASKED: Any = _NeverAsked()

STAGES: dict[str, Callable[[], Stage]] = {
    "health_routes": lambda: health_routes(NOT_ASKED),
    "no_own_route": lambda: no_own_route,
    "preflights": lambda: preflights(CorsConfig(), ManualClock()),
    "session_routes": lambda: session_routes(NOT_ASKED, NOT_ASKED, NOT_ASKED),
    "batch_lock": lambda: batch_lock,
    "charge_parts": lambda: Limits(NOT_ASKED, RateLimitConfig(), NOT_ASKED, NOT_ASKED).charge_parts,
    "guard_logins": lambda: guard_logins(
        NOT_ASKED, LoginConfig(), resolve=str, has_session=NOT_ASKED, on_limited=NOT_ASKED
    ),
    "FileGuard": lambda: FileGuard(*[NOT_ASKED] * 6),
    "FileCache": lambda: FileCache(
        *[NOT_ASKED] * 4, max_age_s=1.0, id_of=NOT_ASKED, meter=NOT_ASKED, clock=NOT_ASKED
    ),
    "AskOnlyReadable": lambda: AskOnlyReadable(*[NOT_ASKED] * 4),
    "EdgeRefusal": lambda: EdgeRefusal(*[NOT_ASKED] * 3, on_refused=NOT_ASKED),
    "EdgeReads": lambda: EdgeReads(*[NOT_ASKED] * 4, on_refused=NOT_ASKED),
    "GuardWrites": lambda: GuardWrites(NOT_ASKED),
    "GuardOAuth2": lambda: GuardOAuth2(NOT_ASKED),
    "GuardCredentials": lambda: GuardCredentials(NOT_ASKED),
    "SchemaRefusal": lambda: SchemaRefusal(*[NOT_ASKED] * 3, on_refused=NOT_ASKED),
    "fence_restores": lambda: fence_restores(NOT_ASKED),
    "settings_watch": lambda: settings_watch(NOT_ASKED, NOT_ASKED),
    "hide_own_collections": lambda: hide_own_collections(["hapta_meta"], ["pbc_1"]),
    "cast_doubt": lambda: cast_doubt(NOT_ASKED, NOT_ASKED),
}

METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "QUERY")
ACTIONS = (
    *("batch", "restore", "settings", "schema", "auth-with-oauth2", "auth-with-password", "request-otp"),
    *("confirm-password-reset", "request-email-change", "auth-refresh", "records", "records/r1", "truncate"),
)
TARGETS = (
    *(
        "/",
        "/index.html",
        "/api",
        "/api/health",
        "/api/realtime",
        "/api/files/token",
        "/api/files/posts/r1/a.png",
    ),
    *("/api/oauth2-redirect", "/api/custom/route", "/_/", "/_/images/logo.svg", "/_hapta/", "/_hapta/batch"),
    *(
        "/api/hapta/health/ready",
        "/api/hapta/sessions",
        "/api/backups",
        "/api/backups/a.zip/restore",
        "/api/logs",
    ),
    *(f"/api/{action}" for action in ACTIONS),
    *(f"/api/hapta/{action}" for action in ACTIONS),
    *(f"/api/collections/posts/{action}?filter=a%3D1" for action in ACTIONS),
    *(
        "/api/collections",
        "/api/collections/posts",
        "/api/collections/meta/scaffolds",
        "/api/crons",
        "/api/sql",
    ),
)
HEADERS = {"Origin": "https://app.example.test", "Access-Control-Request-Method": "GET"}


def requests() -> list[Exchange]:
    return [
        exchange(method, target, HEADERS, body, is_admin_client=is_admin)
        for method, target, body, is_admin in product(METHODS, TARGETS, (None, b'{"a": 1}'), (False, True))
    ]


def test_every_class_of_requests_is_among_those_tried() -> None:
    assert {each.operation.kind for each in requests()} == EVERYTHING


@pytest.mark.parametrize("name", STAGES)
async def test_what_does_not_concern_a_stage_passes_it_untouched(name: str) -> None:
    stage = STAGES[name]()
    concerned = concerned_kinds(stage)
    assert concerned < EVERYTHING, "it says what concerns it"
    passed = 0
    for asked in requests():
        if asked.operation.kind in concerned:
            continue
        before, answer, given = copy(asked), Answer(400, [(b"X-A", b"b")], b"body"), []

        async def forward(exchange: Exchange, answer: Answer = answer, given: list[Any] = given) -> Answer:
            given.append((exchange, copy(exchange)))
            return answer

        assert await stage(asked, forward) is answer
        ((exchange_given, as_given),) = given
        assert exchange_given is asked
        assert as_given == before == asked
        assert answer == Answer(400, [(b"X-A", b"b")], b"body")
        passed += 1
    assert passed > 100


async def silent(exchange: Exchange, forward: Handler) -> Answer:
    return await forward(exchange)


def test_a_stage_that_says_nothing_stands_in_everybodys_way() -> None:
    assert concerned_kinds(silent) == frozenset(OperationClass)
