"""What is sealed opens for its owner and its purpose, whole, under our keys, and in no other way."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.sessions.keys import KeyRing
from hapta.sessions.seal import (
    MAX_FILE_TOKEN_CHARS,
    is_file_token,
    open_file_token,
    open_token,
    seal_file_token,
    seal_token,
)

RING = KeyRing.of("a secret of at least thirty-two bytes", None)
OTHER = KeyRing.of("another secret of thirty-two bytes and more", None)
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6InVzZXIwMDAwMDAwMDAwMSJ9.c2lnbmF0dXJl"
OWNER = "abcdefghijklmno.3"


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def text_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@given(token=st.text(st.characters(codec="utf-8"), max_size=300), owner=st.text(max_size=40))
def test_what_was_sealed_opens_again(token: str, owner: str) -> None:
    owner = owner.encode("utf-8", "ignore").decode()
    assert open_token(RING, seal_token(RING, token, owner), owner) == token


@given(token=st.text(st.characters(codec="ascii"), max_size=300))
def test_file_tokens_come_back_from_the_browser(token: str) -> None:
    sealed = seal_file_token(RING, token)
    assert is_file_token(sealed)
    assert open_file_token(RING, sealed) == token


@pytest.mark.parametrize(
    "owner", ["abcdefghijklmno.4", "abcdefghijklmnx.3", "abcdefghijklmno.33", "", "abcdefghijklmno"]
)
def test_a_token_moved_to_another_row_does_not_open(owner: str) -> None:
    assert open_token(RING, seal_token(RING, TOKEN, OWNER), owner) is None


def test_a_token_of_another_purpose_does_not_open() -> None:
    at_rest, in_hands = seal_token(RING, TOKEN, "file"), seal_file_token(RING, TOKEN)
    assert open_file_token(RING, "hf1." + at_rest) is None
    assert open_token(RING, in_hands.removeprefix("hf1."), "file") is None


@given(at=st.integers(0, 8 * len(raw(seal_token(RING, TOKEN, OWNER))) - 1))
def test_no_flipped_bit_goes_unseen(at: int) -> None:
    sealed = bytearray(raw(seal_token(RING, TOKEN, OWNER)))
    sealed[at // 8] ^= 1 << at % 8
    assert open_token(RING, text_of(bytes(sealed)), OWNER) is None


@given(length=st.integers(0, len(raw(seal_token(RING, TOKEN, OWNER))) - 1))
def test_nothing_truncated_opens(length: int) -> None:
    sealed = raw(seal_token(RING, TOKEN, OWNER))[:length]
    assert open_token(RING, text_of(sealed), OWNER) is None
    assert open_file_token(RING, "hf1." + text_of(sealed)) is None


@given(text=st.text(max_size=100))
def test_garbage_opens_to_nothing_and_raises_nothing(text: str) -> None:
    assert open_token(RING, text, OWNER) is None
    assert open_file_token(RING, text) is None
    assert open_file_token(RING, "hf1." + text) is None


def test_another_secret_opens_nothing() -> None:
    assert open_token(OTHER, seal_token(RING, TOKEN, OWNER), OWNER) is None
    assert open_file_token(OTHER, seal_file_token(RING, TOKEN)) is None


def test_the_previous_secret_still_opens_what_it_sealed() -> None:
    ring = KeyRing(OTHER.current, RING.current)
    assert open_token(ring, seal_token(RING, TOKEN, OWNER), OWNER) == TOKEN
    assert open_file_token(ring, seal_file_token(RING, TOKEN)) == TOKEN


def test_new_seals_are_made_under_the_current_secret_only() -> None:
    ring = KeyRing(OTHER.current, RING.current)
    assert open_token(RING, seal_token(ring, TOKEN, OWNER), OWNER) is None
    assert open_token(OTHER, seal_token(ring, TOKEN, OWNER), OWNER) == TOKEN


def test_two_seals_of_one_token_differ() -> None:
    assert seal_token(RING, TOKEN, OWNER) != seal_token(RING, TOKEN, OWNER)
    assert seal_file_token(RING, TOKEN) != seal_file_token(RING, TOKEN)


def test_nothing_of_the_token_shows() -> None:
    for part in TOKEN.split("."):
        assert part not in seal_token(RING, TOKEN, OWNER)
        assert part not in seal_file_token(RING, TOKEN)


def test_an_oversized_file_token_is_not_even_decoded() -> None:
    sealed = seal_file_token(RING, "x" * MAX_FILE_TOKEN_CHARS)
    assert open_file_token(RING, sealed) is None


def test_a_file_token_needs_no_escape_in_a_query() -> None:
    sealed = seal_file_token(RING, TOKEN)
    assert all(character.isalnum() or character in "-_." for character in sealed)
