"""The protection of logins, through a real ``hapta serve`` in front of a real PocketBase.

Addresses are told apart as a trusted proxy would: ``X-Forwarded-For`` from 127.0.0.1.
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.conftest import MakeHapta, MakePocketBase
from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD

STRICT = {"login__failures": 3, "login__lock_s": 600, "server__trusted_proxies": "127.0.0.1"}
ADMINS = {"admin__networks": "0.0.0.0/0"}
MESSAGE = "Too many failed logins. Please try again later."
ATTACKER, HOME, OFFICE = "198.51.100.1", "192.0.2.7", "203.0.113.9"
ADA = "ada@example.com"


def login(
    hapta: Hapta,
    identity: str = ADA,
    password: str = "a wrong guess",
    *,
    address: str = ATTACKER,
    collection: str = "users",
    **more: object,
) -> httpx.Response:
    url = f"{hapta.url}/api/collections/{collection}/auth-with-password"
    arguments = more or {"json": {"identity": identity, "password": password}}
    headers = {"X-Forwarded-For": address, **arguments.pop("headers", {})}  # type: ignore[dict-item]
    return httpx.post(url, headers=headers, timeout=30, **arguments)  # type: ignore[arg-type]


def failures(hapta: Hapta, count: int = 4, **how: object) -> list[int]:
    return [login(hapta, **how).status_code for _ in range(count)]  # type: ignore[arg-type]


def test_after_some_wrong_guesses_the_right_password_is_not_even_tried(make_hapta: MakeHapta) -> None:
    # row ``login-lock``
    hapta = make_hapta(**STRICT)
    assert failures(hapta, 3) == [400] * 3
    answer = login(hapta, password=PASSWORD)
    assert answer.status_code == 429
    assert answer.json() == {"data": {}, "message": MESSAGE, "status": 429}
    assert 500 < int(answer.headers["Retry-After"]) <= 600
    assert login(hapta, password=PASSWORD, address="198.51.100.200").status_code == 429, "the same network"
    assert login(hapta, "ben@example.com", PASSWORD).status_code == 200, "another account"


def test_the_owner_comes_in_from_elsewhere_while_an_attack_goes_on(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**STRICT)
    for number in range(6):
        failures(hapta, 4, address=f"198.51.{number}.1")
    started = time.monotonic()
    assert login(hapta, password=PASSWORD, address=HOME).status_code == 200
    assert time.monotonic() - started < 6


def test_who_is_logged_in_somewhere_is_never_locked_out_there(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**STRICT)
    token = login(hapta, password=PASSWORD, address=HOME).json()["token"]
    seen = {"Authorization": token, "X-Forwarded-For": HOME}
    httpx.get(f"{hapta.url}/api/collections/posts/records", headers=seen).raise_for_status()
    assert failures(hapta, 8, address="192.0.2.99")[:4] == [400] * 4, "paced, not locked"
    time.sleep(2)
    assert login(hapta, password=PASSWORD, address=HOME).status_code == 200
    httpx.post(f"{hapta.url}/api/hapta/logout-all", headers=seen).raise_for_status()
    assert failures(hapta, 4, address="192.0.2.99")[-1] == 429, "nobody is logged in any more"


def test_an_account_that_exists_and_one_that_does_not_are_answered_alike(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**STRICT | {"login__failures": 8})
    answers: dict[str, list[tuple[int, str, frozenset[str]]]] = {}
    times: dict[str, tuple[list[float], list[float]]] = {}
    for number, identity in enumerate([ADA, "nobody@example.com"]):
        answers[identity], times[identity] = [], ([], [])
        for _ in range(16):
            started = time.monotonic()
            answer = login(hapta, identity, address=f"198.51.{number}.1")
            took = time.monotonic() - started
            kept = frozenset(name for name in answer.headers)
            answers[identity].append((answer.status_code, answer.text, kept))
            times[identity][answer.status_code == 429].append(took)
    assert answers[ADA] == answers["nobody@example.com"]
    assert [status for status, _, _ in answers[ADA]] == [400] * 8 + [429] * 8
    for known, unknown in zip(*times.values(), strict=True):
        one, other = statistics.median(known), statistics.median(unknown)
        assert one < 3 * other + 0.05
        assert other < 3 * one + 0.05


@pytest.mark.parametrize(
    "how",
    [
        {"json": {"identity": "ADA@Example.com", "password": "x"}},
        {"json": {"IDENTITY": ADA, "password": "x"}},
        {"data": {"identity": ADA, "password": "x"}},
        {"data": {"password": "x"}, "params": {"identity": ADA}},
        {"files": {"identity": (None, ADA), "password": (None, "x")}},
        {"data": {"@jsonPayload": f'{{"identity":"{ADA}","password":"x"}}'}},
        {
            "content": f'{{"identity":"{ADA}","password":"x"}} more',
            "headers": {"Content-Type": "application/json"},
        },
    ],
    ids=["capitals", "key in capitals", "form", "query of a form", "multipart", "payload", "more behind"],
)
def test_writing_it_differently_is_no_way_around(how: dict[str, object], make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**STRICT)
    assert failures(hapta, 3) == [400] * 3
    assert login(hapta, **how).status_code == 429  # type: ignore[arg-type]


def test_collections_by_id_and_name_are_the_same_place(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**STRICT)
    assert failures(hapta, 3) == [400] * 3
    assert login(hapta, collection="_pb_users_auth_").status_code == 429
    assert login(hapta, collection="USERS").status_code == 429
    assert login(hapta, collection="staff").status_code == 400


def test_superusers_are_protected_likewise(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**STRICT, **ADMINS)
    assert failures(hapta, identity=ADMIN_EMAIL, collection="_superusers") == [400] * 3 + [429]
    allowed = login(hapta, ADMIN_EMAIL, PASSWORD, address=OFFICE, collection="_superusers")
    assert allowed.status_code == 200


def test_a_hundred_guesses_at_once_are_no_more_than_a_few(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**STRICT)
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda _: login(hapta).status_code, range(40)))
    assert found.count(400) == 3
    assert found.count(429) == 37


def test_many_logins_of_one_account_at_once_all_come_through(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**STRICT)
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: login(hapta, password=PASSWORD).status_code, range(12)))
    assert found == [200] * 12


def test_codes_count_for_the_account_they_were_sent_to(
    make_pocketbase: MakePocketBase, make_hapta: MakeHapta
) -> None:
    hapta = make_hapta(upstream=make_pocketbase().url, **STRICT)
    headers = {"X-Forwarded-For": ATTACKER}
    url = f"{hapta.url}/api/collections/users"

    def guess() -> int:
        asked = httpx.post(f"{url}/request-otp", json={"email": ADA}, headers=headers)
        body = {"otpId": asked.json()["otpId"], "password": "00000000"}
        return httpx.post(f"{url}/auth-with-otp", json=body, headers=headers).status_code

    assert [guess() for _ in range(4)] == [400] * 3 + [429]
    assert login(hapta, password=PASSWORD).status_code == 429


def test_the_first_of_two_factors_is_no_failure(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**STRICT)
    right = {"identity": "mia@example.com", "password": PASSWORD, "collection": "members"}
    assert failures(hapta, 5, **right) == [401] * 5


def test_switched_off_there_is_no_lock(make_hapta: MakeHapta) -> None:
    hapta = make_hapta(**STRICT, login__is_enabled=False)
    assert failures(hapta, 5) == [400] * 5
