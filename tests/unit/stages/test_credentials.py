"""The account a login is for, however the client writes it."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hapta.stages.credentials import MAX_BYTES, named_value

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=xyz"


class Body:
    def __init__(self, text: bytes) -> None:
        self.text = text
        self.length = len(text)

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.text), 7):
            yield self.text[start : start + 7]


def part(name: str, value: str, more: str = "") -> str:
    return f'--xyz\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'


async def identity(text: str | bytes, content_type: str = JSON, query: str = "") -> str:
    body = Body(text if isinstance(text, bytes) else text.encode())
    return await named_value(body, content_type, query, "identity")


@pytest.mark.parametrize(
    ("text", "content_type", "query"),
    [
        ('{"identity":"ada","password":"x"}', JSON, ""),
        ('{"identity":"ada"}', "application/json; charset=utf-8", ""),
        ('{"identity":"ada"}', "application/jsonx", ""),
        ('{"IDENTITY":"ada"}', JSON, ""),
        ('{"iden-ti_ty":"ada"}', JSON, ""),
        (' \n{"identity":"ada"} and more', JSON, ""),
        ('{"identity":"ada","identity":"ada"}', JSON, ""),
        ('{"identity":"ada"}', JSON, "identity=ben"),
        ("identity=ada&password=x", FORM, ""),
        ("password=x", FORM, "identity=ada"),
        ("%69dentity=a%64a", FORM, ""),
        ("@jsonPayload=%7B%22identity%22%3A%22ada%22%7D", FORM, ""),
        (part("identity", "ada") + part("password", "x") + "--xyz--\r\n", MULTIPART, ""),
        (part("@jsonPayload", '{"identity":"ada"}') + "--xyz--\r\n", MULTIPART, ""),
        (
            part("identity", "ada") + part("file", "ben", '; filename="identity"') + "--xyz--\r\n",
            MULTIPART,
            "",
        ),
    ],
)
async def test_what_pocketbase_would_read_is_read(text: str, content_type: str, query: str) -> None:
    assert await identity(text, content_type, query) == "ada"


@pytest.mark.parametrize(
    ("text", "content_type", "query"),
    [
        ("", JSON, ""),
        ("{", JSON, ""),
        ("[" * 50_000, JSON, ""),
        ("[]", JSON, ""),
        ('["identity","ada"]', JSON, ""),
        ('{"identity":3}', JSON, ""),
        ('{"identity":null}', JSON, ""),
        ('{"identity":{"identity":"ada"}}', JSON, ""),
        ('{"identity":"ada","identity":"ben"}', JSON, ""),
        ('{"identity":"ada","Identity":"ben"}', JSON, ""),
        ('{"identity":"ada","identity_":"ben"}', JSON, ""),
        ('{"identity":"ada","Identity":3}', JSON, ""),
        ('{"password":"x"}', JSON, ""),
        ('{"identity":"ada"}', "text/plain", ""),
        ("<r><identity>ada</identity></r>", "application/xml", ""),
        ("identity=ada", FORM, "identity=ben"),
        ("identity=ada&@jsonPayload=%7B%22identity%22%3A%22ben%22%7D", FORM, ""),
        (part("identity", "ada") + "--xyz--\r\n", MULTIPART, "identity=ben"),
        (part("identity", "ada"), MULTIPART, ""),
        (
            '--xyz\r\nContent-Disposition: form-data; name*="identity"\r\n\r\nada\r\n--xyz--\r\n',
            MULTIPART,
            "",
        ),
        ("no boundary at all", MULTIPART, ""),
        (part("x", part("identity", "ben")[:-2]) + part("identity", "ada") + "--xyz--\r\n", MULTIPART, ""),
        ('{"identity":"' + "a" * MAX_BYTES + '"}', JSON, ""),
        (b'{"identity":"\xff"}', JSON, ""),
    ],
)
async def test_what_is_not_clear_is_nobody_s_name(text: str, content_type: str, query: str) -> None:
    assert await identity(text, content_type, query) == ""


async def test_no_body_names_nobody() -> None:
    assert await named_value(None, JSON, "", "identity") == ""


@settings(deadline=None)  # on a busy machine
@given(text=st.binary(max_size=60), content_type=st.sampled_from([JSON, FORM, MULTIPART, ""]))
async def test_any_body_is_read_or_not_without_an_error(text: bytes, content_type: str) -> None:
    assert isinstance(await identity(text, content_type, ""), str)
