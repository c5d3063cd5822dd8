"""A token every SDK accepts, and nobody else can make."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.sessions.keys import KeyRing
from hapta.sessions.token import (
    ISSUER,
    MAX_TOKEN_CHARS,
    Claims,
    ForgedToken,
    has_our_form,
    is_genuine,
    mint,
    new_salt,
    new_session_id,
    parse,
    rotation_id,
)

SECRET = "a secret of at least thirty-two bytes"
RING = KeyRing.of(SECRET, None)
OTHER = KeyRing.of("another secret of thirty-two bytes and more", None)
SALT = "00112233445566778899aabbccddeeff"
CLAIMS = Claims("abcdefghijklmn1", 3, "_pb_users_auth_", "user00000000001", 1_800_000_000, True)
TOKEN = mint(RING.current, CLAIMS, SALT)
IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=255)


def atob(text: str) -> bytes:
    """As a browser decodes: standard alphabet, padding optional (WHATWG forgiving-base64)."""
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def with_payload(**changes: Any) -> str:
    head, payload, signature = TOKEN.split(".")
    claims = {**json.loads(atob(payload)), **changes}
    kept = {name: value for name, value in claims.items() if value is not ...}
    return f"{head}.{part(kept)}.{signature}"


def with_header(header: object, signature: str | None = None) -> str:
    _, payload, signed = TOKEN.split(".")
    return f"{part(header)}.{payload}.{signed if signature is None else signature}"


@given(record=IDS, collection=IDS)
def test_browsers_decode_every_token_with_plain_atob(record: str, collection: str) -> None:
    claims = Claims("abcdefghijklmn1", 1, collection, record, 1_800_000_000, True)
    _, payload, _ = mint(RING.current, claims, SALT).split(".")
    said = json.loads(atob(payload).decode("latin-1"))  # atob gives one character a byte
    assert (said["id"], said["collectionId"]) == (record, collection)
    assert (said["type"], said["exp"], said["refreshable"]) == ("auth", 1_800_000_000, True)


@given(record=IDS, collection=IDS, generation=st.integers(1, 10**9), exp=st.integers(0, 2**53))
def test_a_token_says_what_it_was_made_of(record: str, collection: str, generation: int, exp: int) -> None:
    claims = Claims(new_session_id(), generation, collection, record, exp, False)
    token = mint(RING.current, claims, SALT)
    parsed = parse(RING, token)
    assert parsed is not None
    assert parsed.claims == claims
    assert is_genuine(RING, parsed, SALT)


@pytest.mark.parametrize("record", ["a>b?c~d", "ÿþý", "日本語", "\U0001f600" * 255, '"\\\x7f', "a.b"])
def test_awkward_ids_make_good_tokens(record: str) -> None:
    token = mint(RING.current, Claims("abcdefghijklmn1", 1, record, record, 1, True), SALT)
    parsed = parse(RING, token)
    assert parsed is not None
    assert parsed.claims.record == record
    assert atob(token.split(".")[1]).isascii()


def test_the_header_is_a_constant() -> None:
    assert json.loads(atob(TOKEN.split(".")[0])) == {"alg": "HS256", "typ": "JWT"}
    other = mint(OTHER.current, Claims("z" * 15, 9, "c", "r", 1, False), new_salt())
    assert other.split(".")[0] == TOKEN.split(".")[0]


def test_equal_claims_and_salt_make_equal_tokens_in_every_process() -> None:
    assert mint(KeyRing.of(SECRET, None).current, CLAIMS, SALT) == TOKEN


def test_salt_session_and_generation_each_change_the_signing_key() -> None:
    parsed = parse(RING, TOKEN)
    assert parsed is not None
    assert is_genuine(RING, parsed, SALT)
    assert not is_genuine(RING, parsed, new_salt())


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param("abc", id="a word"),
        pytest.param("..", id="three empty parts"),
        pytest.param(TOKEN[:-1] + "é", id="not ASCII"),
        pytest.param(TOKEN + "." + "a", id="four parts"),
        pytest.param(TOKEN + "a" * MAX_TOKEN_CHARS, id="oversized"),
        pytest.param(with_header({"alg": "none", "typ": "JWT"}, ""), id="alg none"),
        pytest.param(with_header({"alg": "none", "typ": "JWT"}), id="alg none with a signature"),
        pytest.param(with_header({"alg": "HS512", "typ": "JWT"}), id="another alg"),
        pytest.param(with_header({"alg": "RS256", "typ": "JWT"}), id="an asymmetric alg"),
        pytest.param(with_header({"typ": "JWT", "alg": "HS256"}), id="the same header written otherwise"),
        pytest.param(with_payload(iss="other"), id="another issuer"),
        pytest.param(with_payload(iss=...), id="no issuer"),
        pytest.param(with_payload(iss=[ISSUER]), id="issuer in a list"),
        pytest.param(f"{TOKEN.split('.')[0]}.{part(b'[]')}.x", id="payload a list"),
        pytest.param(f"{TOKEN.split('.')[0]}.{part(b'null')}.x", id="payload null"),
        pytest.param(f"{TOKEN.split('.')[0]}.{part(b'{' * 5000)}.x", id="payload nested and broken"),
        pytest.param(f"{TOKEN.split('.')[0]}.!!!!.x", id="payload not base64"),
        *(pytest.param(TOKEN[:length], id=f"cut to {length}") for length in (10, 36, 37, 60, 100)),
    ],
)
def test_what_does_not_claim_to_be_ours_is_nobodys(token: str) -> None:
    assert parse(RING, token) is None


FORGED = [
    pytest.param(with_payload(sid="a" * 31), id="a made-up session id"),
    pytest.param(with_payload(sid="é" * 31), id="a session id of other letters"),
    pytest.param(with_payload(sid="a" * 30), id="a short session id"),
    pytest.param(with_payload(sid=""), id="an empty session id"),
    pytest.param(with_payload(sid=31), id="a number for a session id"),
    pytest.param(with_payload(sid=...), id="no session id"),
    pytest.param(with_payload(gen="3"), id="a text for a generation"),
    pytest.param(with_payload(gen=True), id="a truth for a generation"),
    pytest.param(with_payload(gen=3.0), id="a fraction for a generation"),
    pytest.param(with_payload(exp=1e300), id="an expiry beyond measure"),
    pytest.param(with_payload(exp=...), id="no expiry"),
    pytest.param(with_payload(type="file"), id="another type"),
    pytest.param(with_payload(id=7), id="a number for a record"),
    pytest.param(with_payload(collectionId=None), id="no collection"),
    pytest.param(with_payload(refreshable=1), id="a number for refreshable"),
    pytest.param(mint(OTHER.current, CLAIMS, SALT), id="under another Secret"),
]


@pytest.mark.parametrize("token", FORGED)
def test_a_made_up_session_id_is_refused_before_anything_is_looked_up(token: str) -> None:
    assert has_our_form(token)
    with pytest.raises(ForgedToken):
        parse(RING, token)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(with_payload(gen=4), id="another generation"),
        pytest.param(with_payload(exp=1_900_000_000), id="a later expiry"),
        pytest.param(with_payload(id="user00000000002"), id="another record"),
        pytest.param(with_payload(collectionId="pbc_3142635823"), id="another collection"),
        pytest.param(with_payload(more=1), id="one claim more"),
        pytest.param(TOKEN[:-1], id="signature cut"),
        pytest.param(TOKEN[: TOKEN.rindex(".") + 1], id="no signature"),
        pytest.param(TOKEN + "A", id="signature longer"),
        pytest.param(TOKEN + "=", id="signature padded"),
        pytest.param(TOKEN[:-4] + "AAAA", id="signature changed"),
    ],
)
def test_a_tampered_token_is_not_genuine(token: str) -> None:
    parsed = parse(RING, token)
    assert parsed is not None
    assert not is_genuine(RING, parsed, SALT)


def test_the_key_of_pocketbase_or_the_bare_secret_signs_nothing_for_us() -> None:
    signed_part = TOKEN[: TOKEN.rindex(".")]
    for key in (SECRET.encode(), SALT.encode(), SECRET.encode() + SALT.encode(), b""):
        signature = part(hmac.digest(key, signed_part.encode(), hashlib.sha256))
        parsed = parse(RING, f"{signed_part}.{signature}")
        assert parsed is not None
        assert not is_genuine(RING, parsed, SALT)


def test_the_previous_secret_still_verifies_and_no_longer_signs() -> None:
    ring = KeyRing(OTHER.current, RING.current)
    parsed = parse(ring, TOKEN)
    assert parsed is not None
    assert is_genuine(ring, parsed, SALT)
    with pytest.raises(ForgedToken):
        parse(RING, mint(ring.current, CLAIMS, SALT))


def test_session_ids_have_the_form_of_record_ids_and_do_not_repeat() -> None:
    ids = {new_session_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all((len(text) == 15 and text.isalnum() and text.islower()) or text.isdigit() for text in ids)


@given(session=st.text("abc123", min_size=15, max_size=15), generation=st.integers(1, 10**6))
def test_everybody_computes_the_same_rotation_id(session: str, generation: int) -> None:
    row = rotation_id(session, generation)
    assert row == rotation_id(session, generation)
    assert len(row) == 15
    assert set(row) <= set("abcdefghijklmnopqrstuvwxyz0123456789")
    assert row != rotation_id(session, generation + 1)


@given(text=st.text(max_size=200))
def test_no_text_crashes_the_parser(text: str) -> None:
    assert parse(RING, text) is None
    assert not has_our_form(text)
