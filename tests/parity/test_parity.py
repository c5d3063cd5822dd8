"""Every comparison of the tables: what Hapta changes is a row of ``docs/differences.md``, or a failure."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.parity.auth import AUTH
from tests.parity.bodies import BODIES
from tests.parity.case import HEADER_ROWS, Case, Side, differences, js, request, rows
from tests.parity.custom import CUSTOM
from tests.parity.fields import FIELDS
from tests.parity.files import FILES
from tests.parity.methods import METHODS
from tests.parity.paths import PATHS, POSTS, QUERIES
from tests.parity.preflights import PREFLIGHTS
from tests.parity.reads import READS
from tests.parity.writes import ADMIN, REALTIME, WRITES
from tests.support.twins import Twins
from tests.support.wire import Reply

CASES = [
    *PATHS,
    *QUERIES,
    *METHODS,
    *PREFLIGHTS,
    *FIELDS,
    *READS,
    *FILES,
    *CUSTOM,
    *AUTH,
    *REALTIME,
    *BODIES,
    *WRITES,
    *ADMIN,
]
ADDED_UPSTREAM = {
    "Via",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-Ip",
    "X-Request-Id",
    "X-Hapta-Client-Ip",
}
"""Request headers PocketBase sees through Hapta only: row ``forwarding-headers``."""


ONLY_THE_BODY = {
    "empty-chunked-body",
    "header-bytes",
    "health-proxy-header",
    "hop-by-hop-request",
    "request-framing",
}
"""Rows under which status and headers stay the same."""
BATCHES = [
    js("POST", "/api/batch", {"requests": [{"method": "POST", "url": POSTS, "body": {"title": "x"}}]}),
    request("POST", "/api/batch"),
    request("POST", "/api/batch", "Content-Type: application/json", body="[]"),
]


def _without_what_hapta_adds(reply: Reply) -> Reply:
    """An answer of the echo route, without the headers Hapta adds to the request."""
    seen = json.loads(reply.body)
    assert seen["headers"].keys() >= ADDED_UPSTREAM, "the echo is not of a request Hapta sent"
    seen["headers"] = {name: value for name, value in seen["headers"].items() if name not in ADDED_UPSTREAM}
    return replace(reply, body=json.dumps(seen).encode())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_answer_is_the_same_directly_and_through_hapta(case: Case, sides: tuple[Side, Side]) -> None:
    direct, through = sides
    found: list[str] = []
    for number, template in enumerate(case.requests, 1):
        one, other = direct.ask(template), through.ask(template)
        assert other.get("x-request-id"), f"no X-Request-Id: {other}"
        method, target, *_ = template.decode("utf-8", "surrogateescape").split(" ")
        if target.startswith("/api/custom/echo") and method != "HEAD" and b'"transferEncoding"' in other.body:
            other = _without_what_hapta_adds(other)
        found = differences(direct, through, one, other, method=method, ordered=case.ordered)
        if case.differs is None or number < len(case.requests):
            assert not found, f"answer {number}:\n" + "\n".join(found)
    if case.differs is not None:
        assert case.differs in rows(), f"docs/differences.md has no row {case.differs}"
        assert found, f"no difference any more: take {case.differs} out"
        assert other.status == case.status, other
        if case.differs in ONLY_THE_BODY:
            assert all(line.startswith("body") for line in found), found


def test_the_table_is_large_and_its_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert sum(len(case.requests) for case in CASES) >= 150


@pytest.mark.parametrize("asked", BATCHES, ids=["of one create", "without a body", "that is no object"])
def test_a_batch_is_refused_alike_where_batches_are_off(
    asked: bytes, pair: Twins, sides: tuple[Side, Side]
) -> None:
    instances = (pair.direct, pair.behind)
    for instance in instances:
        instance.admin.patch("/api/settings", json={"batch": {"enabled": False}}).raise_for_status()
    try:
        one, other = (side.ask(asked) for side in sides)
    finally:
        for instance in instances:
            instance.admin.patch("/api/settings", json={"batch": {"enabled": True}}).raise_for_status()
    assert one.status == 403
    assert not differences(*sides, one, other, method="POST", ordered=True)


def test_every_row_of_the_document_is_named_by_a_test() -> None:
    tests = Path(__file__).parents[1]
    source = "".join(path.read_text() for path in tests.rglob("*.py"))
    assert not [row for row in rows() if f'"{row}"' not in source and f"``{row}``" not in source]


def test_header_fields_left_out_of_the_comparison_stand_in_the_document() -> None:
    assert set(HEADER_ROWS.values()) | {"forwarding-headers"} <= rows()
