"""The comparison hides what must differ between two servers, and nothing else."""

import time
from datetime import UTC, datetime

import jwt
import pytest

from tests.support.compare import differences
from tests.support.normalise import Normaliser

SINCE = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)


@pytest.fixture
def normaliser() -> Normaliser:
    return Normaliser(SINCE, ("http://127.0.0.1:8090", "/tmp/home"))


def test_only_dates_after_the_seed_are_hidden(normaliser: Normaliser) -> None:
    row = {"created": "2026-03-01 12:00:00.499Z", "updated": "2026-03-01 12:00:00.501Z", "day": "2024-01-01"}
    assert normaliser.value(row) == {
        "created": "2026-03-01 12:00:00.499Z",
        "updated": "<now>",
        "day": "2024-01-01",
    }


def test_http_dates_are_hidden_from_the_second_of_the_seed_on(normaliser: Normaliser) -> None:
    assert normaliser.text("Sun, 01 Mar 2026 11:59:59 GMT") == "Sun, 01 Mar 2026 11:59:59 GMT"
    assert normaliser.text("Sun, 01 Mar 2026 12:00:00 GMT") == "<now>"


def test_generated_ids_are_numbered_and_chosen_ones_stay(normaliser: Normaliser) -> None:
    ids = ["abcdefghijk1234", "post00000000001", "zbcdefghijk1234", "abcdefghijk1234"]
    assert normaliser.value(ids) == ["<id 1>", "post00000000001", "<id 2>", "<id 1>"]


def test_suffixes_of_file_names_are_numbered(normaliser: Normaliser) -> None:
    names = [
        "a_one_0123456789.txt",
        "a_one_9876543210.txt",
        "a_one_0123456789.txt",
        "_superusers",
        "plain.txt",
    ]
    assert normaliser.value(names) == [
        "a_one_<suffix 1>.txt",
        "a_one_<suffix 2>.txt",
        "a_one_<suffix 1>.txt",
        "_superusers",
        "plain.txt",
    ]


def test_addresses_and_folders_of_the_server_are_hidden(normaliser: Normaliser) -> None:
    text = "http://127.0.0.1:8090/x 127.0.0.1:8090 http://127.0.0.1:8091/x /tmp/home/pb_data"
    assert normaliser.text(text) == "<own>/x <own> http://127.0.0.1:8091/x <own>/pb_data"


def test_of_a_token_claims_and_lifetime_remain(normaliser: Normaliser) -> None:
    def token(**claims: object) -> str:
        return jwt.encode({"type": "auth", "exp": time.time() + 86_400, **claims}, "k" * 32)

    one = normaliser.text(f"bearer {token(id='user00000000001')} end")
    assert one == "bearer <token type=auth id=user00000000001 for days> end"
    assert one != normaliser.text(f"bearer {token(id='user00000000002')} end")
    assert one != normaliser.text(f"bearer {token(id='user00000000001', exp=time.time() + 180)} end")


def test_differences_name_the_place() -> None:
    one = {"a": [1, {"b": "x"}], "c": None, "same": 1}
    other = {"a": [1, {"b": "y"}], "d": None, "same": 1}
    assert list(differences(one, other)) == [
        ".a[1].b: 'x' != 'y'",
        ".c: None != absent",
        ".d: absent != None",
    ]
    assert list(differences([1], [1, 2])) == ["all: [1] != [1, 2]"]
    assert list(differences(1, True)) == ["all: 1 != True"]
