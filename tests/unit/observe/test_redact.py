"""hapta.observe.redact"""

import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.observe.redact import REDACTED, mask_credentials, printable, without_query

TOKEN = jwt.encode({"id": "abc", "type": "auth"}, "k" * 32, algorithm="HS256")


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        pytest.param("/a?token=s3cret", f"/a?token={REDACTED}", id="alone"),
        pytest.param("/a?x=1&token=s3cret&y=2", f"/a?x=1&token={REDACTED}&y=2", id="in the middle"),
        pytest.param("/a?code=s3cret&state=s3cret", f"/a?code={REDACTED}&state={REDACTED}", id="OAuth2"),
        pytest.param("/a?TOKEN=s3cret", f"/a?TOKEN={REDACTED}", id="upper case"),
        pytest.param("/a?%74oken=s3cret", f"/a?%74oken={REDACTED}", id="percent-encoded name"),
        pytest.param("/a?tok%65n=s3cret", f"/a?tok%65n={REDACTED}", id="partly encoded name"),
        pytest.param("/a?+token=s3cret", f"/a?+token={REDACTED}", id="space before the name"),
        pytest.param("/a?x=1;token=s3cret", f"/a?x=1;token={REDACTED}", id="semicolon"),
        pytest.param("/a?token=a&token=b", f"/a?token={REDACTED}&token={REDACTED}", id="twice"),
        pytest.param("/a?token=s3=cret==", f"/a?token={REDACTED}", id="equals signs in the value"),
        pytest.param("/a?token=", f"/a?token={REDACTED}", id="empty"),
    ],
)
def test_the_value_of_a_secret_parameter_is_masked(target: str, shown: str) -> None:
    assert mask_credentials(target) == shown


@pytest.mark.parametrize(
    "target",
    ["/a?filter=title%3D'token'&page=2", "/a?mytoken=1", "/a?tokens=1", "/api/token/code", "/a?state", "/"],
)
def test_other_parameters_and_the_path_are_kept(target: str) -> None:
    assert mask_credentials(target) == target


@pytest.mark.parametrize(
    "text",
    [
        f"/custom/{TOKEN}/x",
        f"/a?key={TOKEN}",
        f"Authorization: Bearer {TOKEN}",
        TOKEN.replace(".", "%2E"),
        json.dumps({"t": TOKEN}),
    ],
)
def test_what_has_the_shape_of_a_token_is_masked_anywhere(text: str) -> None:
    shown = mask_credentials(text)
    assert REDACTED in shown
    assert not any(part in shown for part in TOKEN.split("."))


def test_a_token_cut_off_in_its_signature_is_masked() -> None:
    assert mask_credentials("/x/" + TOKEN[:-20]) == f"/x/{REDACTED}"


def test_without_query_keeps_only_the_path() -> None:
    assert without_query("/a/b?code=1?2") == f"/a/b?{REDACTED}"
    assert without_query("/a/b") == "/a/b"


@given(st.text(st.characters(codec=None)))
def test_printable_text_is_one_line_any_encoder_takes(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in shown)
    shown.encode()


def test_printable_escapes_what_a_terminal_obeys_and_keeps_other_letters() -> None:
    assert printable("a\x1b[31m\r\nß\u202e日\udcff") == r"a\x1b[31m\r\nß\u202e日\udcff"
