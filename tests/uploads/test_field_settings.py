"""What is refused by a field's settings, PocketBase refuses too, with the same code and words."""

import re
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hapta.uploads.field_settings import certain_refusal
from hapta.uploads.refusals import Refusal
from hapta.uploads.sniff import sniff
from tests.support.pocketbase import PocketBase
from tests.uploads.corpus import EXE, HONEST, HTML, ODD, PDF, POLYGLOTS, image
from tests.uploads.support import PlainFile, TypeOracle

PNG = image("PNG")
FIELDS: list[dict[str, Any]] = [
    {
        "name": "avatar",
        "type": "file",
        "maxSelect": 1,
        "maxSize": 2000,
        "mimeTypes": ["image/png", "image/jpeg"],
    },
    {
        "name": "gallery",
        "type": "file",
        "maxSelect": 2,
        "maxSize": 0,
        "mimeTypes": ["image/png", "Image/GIF; x=y"],
    },
    {"name": "anything", "type": "file", "maxSelect": 3, "maxSize": 5000, "mimeTypes": []},
    {
        "name": "papers",
        "type": "file",
        "maxSelect": 3,
        "mimeTypes": ["application/pdf", "text/plain", "image/*"],
    },
]
EVERYTHING = {**{name: data for name, (data, _) in HONEST.items()}, **POLYGLOTS, **ODD}
NAMES = [
    "photo.png",
    "a b.JPG",
    "Grüße “x”.jpeg",
    "x",
    "noextension",
    "back\\slash.png",
    "myTestDB.tar.gz",
    "ab.php.png",
    "x" * 200 + ".png",
    "name.extension-longer-than-twenty-characters",
]


@pytest.fixture(scope="module")
def judge(pocketbase: PocketBase) -> "Judge":
    body = {
        "name": "settings_probe",
        "type": "base",
        "createRule": "",
        "fields": [{"name": "title", "type": "text", "required": True}, *FIELDS],
    }
    pocketbase.admin.post("/api/collections", json=body).raise_for_status()
    return Judge(pocketbase.admin)


class Judge:
    """PocketBase's judgement of files for one field; nothing is ever stored."""

    def __init__(self, admin: httpx.Client) -> None:
        self._admin = admin

    def refusal(self, field: str, files: list[PlainFile]) -> dict[str, Any] | None:
        parts = [(field, (file.name, file.data)) for file in files]
        answer = self._admin.post("/api/collections/settings_probe/records", files=parts)
        assert answer.status_code == 400, answer.text
        data = answer.json()["data"]
        assert "title" in data
        found: dict[str, Any] | None = data.get(field)
        return found


def without_random(found: dict[str, Any]) -> dict[str, Any]:
    """PocketBase's random part of a stored name, and the whole stem of a very short one, taken out."""
    return {**found, "message": re.sub(r"[0-9a-z]{10}(?=[._\"])", "…", found["message"])}


def as_answered(refusal: Refusal) -> dict[str, Any]:
    params = {"params": refusal.params} if refusal.params else {}
    return {"code": refusal.code, "message": refusal.message, **params}


async def agree(judge: Judge, field: dict[str, Any], files: list[PlainFile]) -> bool:
    """Whether it is refused here; then it must be there, with the same words."""
    here = await certain_refusal(field, files)
    if here is None:
        return False
    there = judge.refusal(field["name"], files)
    assert there is not None
    assert without_random(as_answered(here)) == without_random(there)
    return True


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field["name"])
@pytest.mark.parametrize("name", EVERYTHING)
async def test_what_is_refused_here_pocketbase_refuses_likewise(
    field: dict[str, Any], name: str, judge: Judge
) -> None:
    await agree(judge, field, [PlainFile("some.bin", EVERYTHING[name])])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [100, 3000])
async def test_the_name_stands_in_the_message_as_pocketbase_has_it(
    name: str, size: int, judge: Judge
) -> None:
    assert await agree(judge, FIELDS[0], [PlainFile(name, EXE + bytes(size))])


@pytest.mark.parametrize(
    ("field", "contents", "is_refused"),
    [
        pytest.param(0, [EXE, PNG], False, id="the last of a single field counts"),
        pytest.param(0, [PNG, EXE], True, id="the last of a single field is of a wrong type"),
        pytest.param(0, [PNG, bytes(2001)], True, id="the last of a single field is too large"),
        pytest.param(0, [bytes(2000)], False, id="not known, and just small enough"),
        pytest.param(1, [PNG, PNG], False, id="as many as may be"),
        pytest.param(1, [PNG, EXE, PNG], True, id="too many, before types are looked at"),
        pytest.param(1, [PNG, EXE], True, id="the second is of a wrong type"),
        pytest.param(1, [PNG, bytes(5_242_881)], True, id="the default size"),
        pytest.param(2, [EXE, HTML, bytes(5001)], True, id="the third is too large"),
        pytest.param(2, [EXE, HTML, b""], False, id="any type"),
        pytest.param(
            3, [b"a,b\n1,2\n", EXE], False, id="the first may be CSV, which PocketBase would refuse"
        ),
        pytest.param(3, [PDF, EXE], True, id="the first is fine for certain"),
        pytest.param(3, [PNG], True, id="a star means nothing to PocketBase"),
        pytest.param(0, [], False, id="no file"),
    ],
)
async def test_files_of_a_field_are_judged_in_order(
    field: int, contents: list[bytes], is_refused: bool, judge: Judge
) -> None:
    files = [PlainFile(f"file{n}.bin", data) for n, data in enumerate(contents)]
    assert await agree(judge, FIELDS[field], files) == is_refused


@given(
    seed=st.sampled_from(sorted(EVERYTHING)),
    kept=st.sampled_from([2, 3, 4, 8, 12, 100]),
    rest=st.one_of(st.binary(max_size=600), st.text("ab <>/01\n", max_size=600).map(str.encode)),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_is_missing_for_a_file_that_begins_like_another(
    seed: str, kept: int, rest: bytes, type_oracle: TypeOracle
) -> None:
    data = EVERYTHING[seed][:kept] + rest
    kind = sniff(data)
    assert kind.names is None or type_oracle.names(data) <= kind.names
