"""One Secret, many keys: none can stand for another, none shows itself."""

import pytest

from hapta.sessions.keys import KeyRing, Keys, _derive

SECRET = "a secret of at least thirty-two bytes"


def test_every_purpose_has_a_key_of_its_own() -> None:
    purposes = ("seal", "file token", "session id", "sign", "check")
    assert len({_derive(SECRET, purpose) for purpose in purposes}) == len(purposes)


def test_the_same_secret_gives_the_same_keys_in_every_process() -> None:
    one, other = Keys.of(SECRET), Keys.of(SECRET)
    assert (one.session_id, one.sign, one.check) == (other.session_id, other.sign, other.check)
    assert other.seal.decrypt(bytes(12), one.seal.encrypt(bytes(12), b"text", b"row"), b"row") == b"text"


def test_another_secret_shares_no_key() -> None:
    one, other = Keys.of(SECRET), Keys.of(SECRET + "x")
    assert not {one.session_id, one.sign, one.check} & {other.session_id, other.sign, other.check}


def test_keys_stand_in_no_repr() -> None:
    ring = KeyRing.of(SECRET, "the one before, also long enough for it")
    shown = repr(ring)
    assert shown == "KeyRing(current=Keys(), previous=Keys())"


def test_the_check_value_tells_secrets_apart_and_nothing_about_them() -> None:
    value = Keys.of(SECRET).check_value()
    assert value == Keys.of(SECRET).check_value() != Keys.of(SECRET + "x").check_value()
    assert value not in (Keys.of(SECRET).check.hex(), SECRET)


@pytest.mark.parametrize("previous", [None, ""], ids=["unset", "empty"])
def test_without_a_previous_secret_only_the_current_one_counts(previous: str | None) -> None:
    ring = KeyRing.of(SECRET, previous)
    assert ring.all() == (ring.current,)


def test_the_current_secret_comes_before_the_previous_one() -> None:
    ring = KeyRing.of(SECRET, "the one before, also long enough for it")
    assert ring.all() == (ring.current, ring.previous)
