"""Draws become requests the rules allow."""

from collections import Counter

import pytest

from hapta.workload.calls import GUEST, NOTIFICATION, SUPERUSER, CallPlanner, Read, Write
from hapta.workload.draws import Draw, Kind, Workload
from hapta.workload.profiles import DEFAULT_SEED, PROFILES


def _planner(workload: Workload, *, with_private_posts: bool = False, has_edge: bool = True) -> CallPlanner:
    return CallPlanner(workload, with_private_posts=with_private_posts, has_edge=has_edge)


@pytest.fixture
def workload() -> Workload:
    return Workload(PROFILES["W"], DEFAULT_SEED)


def test_every_draw_is_one_request_and_a_comment_or_new_follow_one_more(workload: Workload) -> None:
    planner = _planner(workload)
    labels: Counter[str] = Counter()
    for draw in workload.draws(3_000):
        calls = planner.calls(draw)
        assert calls[0].label == draw.kind
        assert isinstance(calls[0], Write) == draw.kind.is_write
        assert [call.label for call in calls[1:]] in ([], [NOTIFICATION])
        labels.update(call.label for call in calls)
    assert labels[NOTIFICATION] >= labels[Kind.COMMENT] > 0
    assert sum(labels.values()) == 3_000 + labels[NOTIFICATION]


def test_writes_carry_rising_revisions_and_new_rows_have_ids_of_their_own(workload: Workload) -> None:
    planner = _planner(workload)
    writes = [c for draw in workload.draws(3_000) for c in planner.calls(draw) if isinstance(c, Write)]
    revisions = [write.revision for write in writes]
    assert revisions == list(range(1, len(writes) + 1))
    created = [write.row for write in writes if write.method == "POST"]
    assert len(created) == len(set(created))
    assert all(len(row) == 15 and row.isalnum() for _, row in created)


def test_following_the_same_user_again_ends_it_and_then_begins_anew(workload: Workload) -> None:
    planner = _planner(workload)
    draw = Draw(0, Kind.FOLLOW, is_authenticated=True, actor=0, subject=999)
    writes = [planner.calls(draw)[0] for _ in range(3)]
    first, ended, again = (write for write in writes if isinstance(write, Write))
    assert [first.method, ended.method, again.method] == ["POST", "DELETE", "POST"]
    assert first.row == ended.row != again.row
    assert again.needs == ended.row[1]  # a pair exists once


def test_a_stranger_is_refused_to_like_a_private_post_and_its_author_is_not(workload: Workload) -> None:
    author = workload.world.authors[7]
    planner = _planner(workload, with_private_posts=True)
    for actor, is_refused in ((author, False), (author + 1, True)):
        (like,) = planner.calls(Draw(0, Kind.LIKE, is_authenticated=True, actor=actor, subject=7))
        assert isinstance(like, Write)
        assert like.is_refused is is_refused


def test_notification_rows_are_the_superusers_and_guests_have_no_identity(workload: Workload) -> None:
    planner = _planner(workload)
    callers = {Kind.VIEW: {GUEST}, NOTIFICATION: {SUPERUSER}}
    (view,) = planner.calls(Draw(0, Kind.VIEW, is_authenticated=False, actor=None, subject=3))
    _, notice = planner.calls(Draw(1, Kind.COMMENT, is_authenticated=True, actor=0, subject=3))
    assert {view.caller} == callers[Kind.VIEW]
    assert {notice.caller} == callers[NOTIFICATION]


def test_the_file_of_a_new_post_waits_for_its_name(workload: Workload) -> None:
    planner = _planner(workload)
    planner.calls(Draw(0, Kind.UPLOAD, is_authenticated=True, actor=0, subject=2_000))
    planner.calls(Draw(1, Kind.POST, is_authenticated=True, actor=0, subject=2_001))
    (of_upload,) = planner.calls(Draw(2, Kind.FILE, is_authenticated=False, actor=None, subject=2_000))
    (of_post,) = planner.calls(Draw(3, Kind.FILE, is_authenticated=False, actor=None, subject=2_001))
    assert isinstance(of_upload, Read)
    assert isinstance(of_post, Read)
    assert of_upload.file_of == "post00000002000"
    assert of_post.file_of is None
    assert of_post.target.endswith("/none.png?thumb=100x100")


def test_a_session_is_not_verified_where_there_is_no_hapta(workload: Workload) -> None:
    draw = Draw(0, Kind.VERIFY, is_authenticated=True, actor=0)
    assert _planner(workload, has_edge=False).calls(draw) == []
    (call,) = _planner(workload).calls(draw)
    assert isinstance(call, Read)
    assert call.is_for_edge
