"""Tokens that are none: never a 500, never a look at PocketBase's rows for a forgery."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from hapta.sessions.keys import KeyRing
from hapta.sessions.token import Claims, mint, new_salt
from tests.sessions.conftest import MakeAccount
from tests.sessions.support import ENDED, GUEST, Account, Door, Ground, claims_of
from tests.support.hapta import SECRET, Hapta
from tests.support.relay import Relay
from tests.support.wire import Wire

USERS, SUPERUSERS = "_pb_users_auth_", "pbc_3142635823"
FAR = 2**33
POCKETBASE = {"collectionId": USERS, "exp": FAR, "id": "user00000000001", "refreshable": True, "type": "auth"}


@pytest.fixture(scope="module")
def watched(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Door, Relay]]:
    """A second Hapta on the same PocketBase, and everything it asks there."""
    with Relay(ground.pocketbase.url) as relay:
        hapta = Hapta(tmp_path_factory.mktemp("hapta"), relay.url)
        try:
            hapta.start()
            with Door(hapta.url) as door:
                yield door, relay
        finally:
            hapta.stop()


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _other_letter(text: str) -> str:
    return ("1" if text[0] == "0" else "0") + text[1:]


def changed(
    token: str, header: dict[str, Any] | None = None, signature: str | None = None, **claims: Any
) -> str:
    head, payload, signed = token.split(".")
    if header is not None:
        head = part(header)
    if claims:
        payload = part({**claims_of(token), **claims})
    return f"{head}.{payload}.{signed if signature is None else signature}"


def raw(key: str = "k" * 32, **claims: Any) -> str:
    """A token as PocketBase writes them, under a key that is not its own."""
    return jwt.encode({**POCKETBASE, **claims}, key, algorithm="HS256")


Make = Callable[[str], str]

# what the token of a session, tampered with, is worth: a guest's
TAMPERED: dict[str, Make] = {
    "signature cut": lambda t: t[:-1],
    "signature missing": lambda t: t[: t.rindex(".") + 1],
    "signature changed": lambda t: t[:-4] + "AAAA",
    "signature of PocketBase's kind": lambda t: jwt.encode(claims_of(t), SECRET, algorithm="HS256"),
    "alg none": lambda t: changed(t, {"alg": "none", "typ": "JWT"}, ""),
    "alg none, signed": lambda t: changed(t, {"alg": "none", "typ": "JWT"}),
    "alg swapped": lambda t: changed(t, {"alg": "HS384", "typ": "JWT"}),
    "alg swapped, signed so": lambda t: jwt.encode(claims_of(t), SECRET * 2, algorithm="HS512"),
    "expiry moved": lambda t: changed(t, exp=FAR),
    "expired": lambda t: changed(t, exp=1),
    "another generation": lambda t: changed(t, gen=7),
    "a generation below all": lambda t: changed(t, gen=-1),
    "another record": lambda t: changed(t, id="user00000000002"),
    "another collection": lambda t: changed(t, collectionId=SUPERUSERS),
    "cut in the middle": lambda t: t[: len(t) // 2],
    "first part only": lambda t: t.split(".")[0],
    "twice": lambda t: f"{t}, {t}",
    "another scheme": lambda t: f"Basic {t}",
    "oversized": lambda t: t + "a" * 20_000,
    "a fourth part": lambda t: t + ".a",
}

# what claims a session id that was never given away
FORGED: dict[str, Make] = {
    "a made-up session": lambda t: changed(t, sid="a" * 31),
    "a session of other letters": lambda t: changed(t, sid="é" * 31),
    "a session beyond measure": lambda t: changed(t, sid="a" * 5000),
    "no session": lambda t: changed(t, sid=None),
    "a list for a session": lambda t: changed(t, sid=["a"]),
    "one letter changed": lambda t: changed(t, sid=_other_letter(claims_of(t)["sid"])),
    "the mark changed": lambda t: changed(t, sid=claims_of(t)["sid"][:-1] + "z"),
    "a generation beyond measure": lambda t: changed(t, gen=10**30),
    "another type": lambda t: changed(t, type="file"),
    "a generation that is no number": lambda t: changed(t, gen="1"),
    "an endless expiry": lambda t: changed(t, exp=1e308),
    "under another Secret": lambda t: mint(
        KeyRing.of("another secret of thirty-two bytes and more", None).current,
        Claims(claims_of(t)["sid"][:15], 1, USERS, claims_of(t)["id"], FAR, True),
        new_salt(),
    ),
}

# what is nobody's and is not even asked about
NOTHING: dict[str, str] = {
    "empty": "",
    "a scheme only": "Bearer",
    "a word": "abc",
    "dots": "...",
    "two dots": "..",
    "no JSON": f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(b'nonsense')}.x",
    "nested": f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(b'[' * 15_000)}.x",
    "nested header": f"{part(b'[' * 15_000)}.{part({})}.x",
    "a list": f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part([1])}.x",
    "PocketBase's, expired": raw(exp=1),
    "PocketBase's, without expiry": raw(exp=None),
    "PocketBase's, endless": raw(exp=float("inf")),
    "PocketBase's, no number for an expiry": raw(exp=float("nan")),
    "PocketBase's, of no auth collection": raw(collectionId="pbc_posts000001"),
    "PocketBase's, of no collection": raw(collectionId="nothing"),
    "PocketBase's, a file token": raw(type="file"),
    "PocketBase's, a mailed token": raw(type="verification"),
    "PocketBase's, a list for a record": raw(id=["a"]),
    "PocketBase's, alg none": jwt.encode(POCKETBASE, None, algorithm="none"),
    "PocketBase's, alg swapped": jwt.encode(POCKETBASE, "k" * 64, algorithm="HS512"),
    "PocketBase's, oversized": raw(id="a" * 20_000),
    "a sealed file token": "hf1." + "a" * 200,
}

# what could be PocketBase's and has to be asked about, once
FOREIGN: dict[str, str] = {
    "foreign-signed": raw(key="f" * 32),
    "foreign-signed, an expiry beyond dates": raw(key="g" * 32, exp=10**300),
    "foreign-signed, an expiry beyond numbers": raw(key="h" * 32, exp=10**400),
    "alg none": jwt.encode(
        {**jwt.decode(raw(), options={"verify_signature": False})}, None, algorithm="none"
    ),
    "another record": raw(key="i" * 32, id="nobody000000001"),
}


def reads_of_rows(relay: Relay) -> list[str]:
    """Requests of Hapta's own about sessions and tokens; without those by which, some time after a login, the
    sessions of one identity beyond the allowed number are looked for."""
    own = ("hapta_sessions", "hapta_rotations", "/api/files/token")
    return [
        line
        for line in relay.requests
        if any(name in line for name in own) and not line.endswith("&fields=id")
    ]


@pytest.mark.parametrize("make", TAMPERED.values(), ids=TAMPERED)
def test_a_tampered_token_is_a_guests(watched: tuple[Door, Relay], account: Account, make: Make) -> None:
    door, relay = watched
    token = door.login(account)
    assert door.who(token) == (200, account.id)
    before = reads_of_rows(relay)
    for _ in range(3):
        assert door.who(make(token)) == GUEST
    assert reads_of_rows(relay) == before
    assert door.who(token) == (200, account.id)


@pytest.mark.parametrize("make", FORGED.values(), ids=FORGED)
def test_a_forged_session_is_refused_without_a_look(
    watched: tuple[Door, Relay], account: Account, make: Make
) -> None:
    door, relay = watched
    token = door.login(account)
    assert door.who(token) == (200, account.id)
    before = reads_of_rows(relay)
    for _ in range(3):
        assert door.who(make(token)) == ENDED
    assert reads_of_rows(relay) == before  # the relay also hears what goes on behind
    assert door.who(token) == (200, account.id)


@pytest.mark.parametrize("token", NOTHING.values(), ids=NOTHING)
def test_what_is_no_token_is_a_guests_without_a_question(watched: tuple[Door, Relay], token: str) -> None:
    door, relay = watched
    before = reads_of_rows(relay)
    assert door.who(token) == GUEST
    assert reads_of_rows(relay) == before


@pytest.mark.parametrize("token", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_token_is_a_guests_after_one_question(watched: tuple[Door, Relay], token: str) -> None:
    door, relay = watched
    before = len(reads_of_rows(relay))
    for _ in range(4):
        assert door.who(token) == GUEST
    assert len(reads_of_rows(relay)) <= before + 1


def test_a_token_of_another_collection_is_nobody_there(ground: Ground, make_account: MakeAccount) -> None:
    token = ground.through.login(make_account("staff", username="stranger1"))
    assert ground.through.ask("POST", "/api/collections/users/auth-refresh", token).status_code == 403
    claims = {"collectionId": USERS, "id": claims_of(token)["id"]}
    assert ground.through.who(changed(token, **claims)) == GUEST


def test_a_token_in_the_query_is_no_identity(ground: Ground, account: Account) -> None:
    token = ground.through.login(account)
    for name in ("token", "access_token", "Authorization", "authorization"):
        answer = ground.through.ask("GET", "/api/custom/hello/you", params={name: token})
        assert (answer.status_code, answer.json()["who"]) == GUEST


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("own", "other", "own"),
        ("other", "own", "other"),
        ("own", "nonsense", "own"),
        ("nonsense", "own", None),
        ("own", "own", "own"),
        ("expired", "own", None),
    ],
)
def test_of_several_authorization_headers_the_first_counts_as_at_pocketbase(
    ground: Ground, make_account: MakeAccount, first: str, second: str, expected: str | None
) -> None:
    accounts = {"own": make_account(), "other": make_account()}
    for door in (ground.through, ground.direct):
        tokens = {name: door.login(account) for name, account in accounts.items()}
        tokens |= {"nonsense": "nonsense", "expired": raw(exp=1)}
        lines = [f"Authorization: {tokens[name]}" for name in (first, second)]
        request = ["GET /api/custom/hello/you HTTP/1.1", "Host: x", *lines, "Connection: close", "", ""]
        with Wire(door.url) as wire:
            wire.send("\r\n".join(request).encode())
            reply = wire.reply()
        wanted = accounts[expected].id if expected else None
        assert (reply.status, json.loads(reply.body)["who"]) == (200, wanted)


ODD_BYTES = [
    b" ",
    b"Bearer ",
    b"\xff\xfe\x80",
    "eyJ\u00e9.eyJ.x".encode(),
    b"Bearer \x00a",
    b"Bearer\ta.b.c",
    b"a" * 31_000,
]


@pytest.mark.parametrize(
    "value",
    ODD_BYTES,
    ids=["a space", "a scheme", "no text", "other letters", "a zero", "a tab", "very long"],
)
def test_odd_bytes_are_no_crash(ground: Ground, value: bytes) -> None:
    with Wire(ground.hapta.url) as wire:
        wire.send(b"GET /api/custom/hello/you HTTP/1.1\r\nHost: x\r\nAuthorization: " + value)
        wire.send(b"\r\nConnection: close\r\n\r\n")
        assert wire.reply().status in (200, 400)


@pytest.mark.parametrize(
    "token", ["hf1.", "hf1.a", "hf1." + "A" * 3000, "hf1." + "A" * 9000, "hf1.é", "%00", "a.b.c", "hf1.%2e"]
)
def test_a_forged_file_token_is_none(ground: Ground, token: str) -> None:
    row = ground.rows("documents", filter="id='document0000001'")[0]
    path = f"/api/files/documents/{row['id']}/{row['contract']}"
    for door in (ground.through, ground.direct):
        assert door.ask("GET", f"{path}?token={token}").status_code == 404


def test_a_signed_token_shown_after_its_key_changed_is_refused_and_nothing_else_happens(
    ground: Ground, account: Account, tmp_path: Path
) -> None:
    token = ground.through.login(account)
    row = ground.rows("hapta_sessions", filter=f"id='{claims_of(token)['sid'][:15]}'")[0]
    assert "salt" in row, "superusers see hidden fields"
    ground.pocketbase.admin.patch(
        f"/api/collections/hapta_sessions/records/{row['id']}", json={"salt": "0" * 32}
    ).raise_for_status()
    other = Hapta(tmp_path, ground.pocketbase.url)
    try:
        other.start()
        with Door(other.url) as door:
            assert door.who(token) == GUEST
    finally:
        other.stop()


def test_nothing_of_all_this_was_a_crash(ground: Ground) -> None:
    assert "crash" not in ground.hapta.log
    assert "Traceback" not in ground.hapta.log
