"""The concurrent check accepts every order that can have happened, and nothing else."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from hapta.workload.answers import Answer
from hapta.workload.calls import GUEST, Listing, Read, Write
from hapta.workload.revisions import RevisionLedger

_USER = "user00000000001"
_READ = Read("profile", GUEST, "/", Listing("users/id/x"))
_NEWEST = Read("home", GUEST, "/", Listing("posts", is_newest_first=True))
_COUNT = Read("counts", GUEST, "/", Listing("follows/target/u", is_count=True))


@pytest.fixture
def ledger() -> RevisionLedger:
    return RevisionLedger(frozenset({_USER, "follow1"}), {"follows/target/u": 3}, {})


def _edit(revision: int) -> Write:
    return Write("edit", _USER, "PATCH", ("users", _USER), {}, revision=revision)


def _post(number: int, only_for: str | None = None) -> Write:
    return Write(
        "post",
        _USER,
        "POST",
        ("posts", f"post{number}"),
        {},
        revision=number,
        scopes=("posts",),
        only_for=only_for,
    )


def _answer(*records: dict[str, Any], **fields: Any) -> Answer:
    return Answer(200, orjson.dumps({"perPage": 2, "items": records, **fields}), is_json=True)


def _user(revision: int) -> dict[str, Any]:
    return {"collectionName": "users", "id": _USER, "revision": revision}


def _shown_post(number: int) -> dict[str, Any]:
    return {
        "collectionName": "posts",
        "id": f"post{number}",
        "revision": number,
        "created": f"2026-01-0{number}",
    }


def _create(ledger: RevisionLedger, write: Write) -> None:
    ledger.begin(write)
    ledger.end(write, Answer(200, orjson.dumps({"created": f"2026-01-0{write.revision}"}), is_json=True))


def _problems(ledger: RevisionLedger, read: Read, sent: int, answer: Answer) -> Sequence[str]:
    return list(ledger.judge(read, sent, answer))


def test_a_write_under_way_may_show_or_not(ledger: RevisionLedger) -> None:
    ledger.begin(_edit(5))
    sent = ledger.now()
    assert not _problems(ledger, _READ, sent, _answer(_user(0)))
    assert not _problems(ledger, _READ, sent, _answer(_user(5)))


def test_a_write_acknowledged_before_must_show_and_one_acknowledged_meanwhile_need_not(
    ledger: RevisionLedger,
) -> None:
    ledger.begin(_edit(5))
    before = ledger.now()
    ledger.end(_edit(5), Answer(200, b"{}", is_json=True))
    assert not _problems(ledger, _READ, before, _answer(_user(0)))
    (problem,) = _problems(ledger, _READ, ledger.now(), _answer(_user(0)))
    assert "but 5 was acknowledged" in problem


def test_a_revision_nobody_has_sent_is_made_up(ledger: RevisionLedger) -> None:
    assert _problems(ledger, _READ, ledger.now(), _answer(_user(9)))
    ledger.begin(_edit(5))
    assert _problems(ledger, _READ, ledger.now(), _answer(_user(9)))
    assert _problems(ledger, _READ, ledger.now(), _answer({**_user(0), "id": "user00000000404"}))


def test_a_new_row_must_be_in_its_list_unless_newer_ones_fill_it(ledger: RevisionLedger) -> None:
    for number in (1, 2, 3):
        _create(ledger, _post(number))
    sent = ledger.now()
    assert not _problems(ledger, _NEWEST, sent, _answer(_shown_post(3), _shown_post(2)))
    (problem,) = _problems(ledger, _NEWEST, sent, _answer(_shown_post(3), _shown_post(1)))
    assert "post2 is missing" in problem
    assert len(_problems(ledger, _NEWEST, sent, _answer(_shown_post(3)))) == 2


def test_a_private_row_is_due_to_its_owner_only(ledger: RevisionLedger) -> None:
    _create(ledger, _post(1, only_for=_USER))
    own = Read("home", _USER, "/", Listing("posts", is_newest_first=True))
    assert not _problems(ledger, _NEWEST, ledger.now(), _answer())
    assert _problems(ledger, own, ledger.now(), _answer())


def test_a_view_of_an_acknowledged_row_must_find_it(ledger: RevisionLedger) -> None:
    view = Read("view", GUEST, "/", row=("posts", "post1"))
    gone = Answer(404, b"{}", is_json=True)
    ledger.begin(_post(1))
    assert not _problems(ledger, view, ledger.now(), gone)
    _create(ledger, _post(1))
    assert _problems(ledger, view, ledger.now(), gone)
    assert _problems(ledger, Read("view", GUEST, "/", row=("users", _USER)), ledger.now(), gone)


def test_a_count_lies_between_what_is_surely_and_what_is_possibly_there(ledger: RevisionLedger) -> None:
    created = Write(
        "follow", _USER, "POST", ("follows", "follow9"), {}, revision=1, scopes=("follows/target/u",)
    )
    deleted = Write("follow", _USER, "DELETE", ("follows", "follow1"), {}, scopes=("follows/target/u",))
    ledger.begin(created)
    ledger.begin(deleted)
    sent = ledger.now()
    accepted = [n for n in range(7) if not _problems(ledger, _COUNT, sent, _answer(totalItems=n))]
    assert accepted == [2, 3, 4]
    ledger.end(deleted, Answer(204, b"", is_json=False))
    _create(ledger, created)
    sent = ledger.now()
    assert [n for n in range(7) if not _problems(ledger, _COUNT, sent, _answer(totalItems=n))] == [3]


def test_a_row_whose_deletion_was_acknowledged_must_not_show(ledger: RevisionLedger) -> None:
    deleted = Write("follow", _USER, "DELETE", ("follows", "follow1"), {}, scopes=("follows/target/u",))
    shown = {"collectionName": "follows", "id": "follow1", "revision": 0}
    ledger.begin(deleted)
    assert not _problems(ledger, _READ, ledger.now(), _answer(shown))
    ledger.end(deleted, Answer(204, b"", is_json=False))
    assert _problems(ledger, _READ, ledger.now(), _answer(shown))
