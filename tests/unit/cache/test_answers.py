"""Conditional requests and the header lines of an answer from the store."""

import pytest

from hapta.cache.answers import answer_headers, not_modified
from hapta.cache.stored import etag_of
from tests.unit.cache.support import stored

BODY = b'{"items":[]}'
ETAG = etag_of(BODY).decode()


@pytest.mark.parametrize(
    "if_none_match",
    [
        ETAG,
        f"W/{ETAG}",
        f' \t{ETAG} , "other"',
        f'"other",W/"more", {ETAG}',
        f'"with,comma",{ETAG}',
        f",, {ETAG},",
        "*",
        " * ",
    ],
)
def test_who_holds_these_bytes_gets_a_304(if_none_match: str) -> None:
    assert not_modified(stored(body=BODY), if_none_match)


@pytest.mark.parametrize(
    "if_none_match",
    [
        None,
        "",
        ",",
        '"other"',
        ETAG.strip('"'),
        f"w/{ETAG}",
        f"W/ {ETAG}",
        f'{ETAG} "other"',
        f"{ETAG}, other",
        f"*, {ETAG}",
        f"{ETAG}, *",
        f'"{ETAG}',
        ETAG[:-1],
        ETAG.upper() + "x",
        f'"{ETAG[1:-1]}, x"',
        '"' * 30_000,
        "," * 30_000,
        pytest.param('"a",' * 8_000 + ETAG, id="a list nobody looks through"),
    ],
)
def test_everybody_else_gets_the_bytes(if_none_match: str | None) -> None:
    assert not not_modified(stored(body=BODY), if_none_match)


@pytest.mark.parametrize("if_none_match", ["*", ETAG])
def test_a_condition_does_not_count_for_a_404(if_none_match: str) -> None:
    assert not not_modified(stored(body=BODY, status=404), if_none_match)


@pytest.mark.parametrize(
    ("is_private", "reads_authorization", "control", "vary"),
    [
        (False, False, b"no-cache", b"Origin"),
        (False, True, b"no-cache", b"Origin, Authorization"),
        (True, False, b"private, no-cache", b"Origin, Authorization"),
        (True, True, b"private, no-cache", b"Origin, Authorization"),
    ],
)
def test_every_answer_says_who_may_keep_it(
    is_private: bool, reads_authorization: bool, control: bytes, vary: bytes
) -> None:
    made = stored(body=BODY, stored_at=10.0)
    lines = answer_headers(made, is_private=is_private, reads_authorization=reads_authorization, now=12.9)
    ours = [(b"ETag", ETAG.encode()), (b"Cache-Control", control), (b"Vary", vary), (b"Age", b"2")]
    assert lines == [*made.headers, *ours]
    not_again = answer_headers(
        made, is_private=is_private, reads_authorization=reads_authorization, now=12.9, is_304=True
    )
    assert not_again == ours


def test_vary_names_the_origin_only_where_pocketbase_did() -> None:
    made = stored(headers=[(b"Content-Type", b"application/json")])
    assert b"Vary" not in dict(answer_headers(made, is_private=False, now=0.0))
    assert dict(answer_headers(made, is_private=True, now=0.0))[b"Vary"] == b"Authorization"


def test_the_age_is_never_negative() -> None:
    made = stored(stored_at=10.0)
    assert dict(answer_headers(made, is_private=False, now=9.0))[b"Age"] == b"0"


def test_changing_an_answer_s_lines_leaves_the_store_alone() -> None:
    made = stored()
    answer_headers(made, is_private=False, now=0.0).clear()
    assert (b"Content-Type", b"application/json") in answer_headers(made, is_private=False, now=0.0)
