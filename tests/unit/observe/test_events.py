"""hapta.observe.events"""

import io
from collections.abc import Callable
from typing import Any

import jwt
import orjson
import pytest

from hapta.config.schema import LogConfig
from hapta.model.clock import ManualClock
from hapta.observe.events import Events

TOKEN = jwt.encode({"id": "abc", "type": "auth"}, "k" * 32, algorithm="HS256")
FORMS = pytest.mark.parametrize("form", ["json", "pretty"])


def told(act: Callable[[Events], None], form: str = "json", level: str = "info") -> list[bytes]:
    stream = io.BytesIO()
    config = LogConfig(format=form, level=level)  # type: ignore[arg-type]
    act(Events(config, stream, ManualClock(), ["the admin's password", None, ""]))
    return stream.getvalue().splitlines()


def one(form: str = "json", **fields: Any) -> bytes:
    (line,) = told(lambda events: events.info("started", **fields), form)
    return line


def test_a_json_event_has_time_level_name_and_fields() -> None:
    assert orjson.loads(one(url="http://x", port=1, ready=True, data=None)) == {
        "ts": "2023-11-14T22:13:20.000Z",
        "level": "info",
        "event": "started",
        "url": "http://x",
        "port": 1,
        "ready": True,
        "data": None,
    }


def test_a_pretty_event_reads_as_a_sentence_with_the_rest_behind_it() -> None:
    assert one("pretty", message="Hapta is ready", port=1).endswith(b" info started: Hapta is ready port=1")
    assert one("pretty", port=1).endswith(b" info started port=1")


def test_fields_cannot_take_the_place_of_time_level_or_name() -> None:
    line = orjson.loads(one(ts="x", level="error", url="u"))
    assert (line["level"], line["event"], line["url"]) == ("info", "started", "u")
    assert line["ts"].startswith("2023")


@pytest.mark.parametrize(
    ("lowest", "levels"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_less_important_events_than_the_level_asked_for_are_left_out(lowest: str, levels: list[str]) -> None:
    def all_four(events: Events) -> None:
        events.debug("a")
        events.info("a")
        events.warning("a")
        events.error("a")

    assert [orjson.loads(line)["level"] for line in told(all_four, level=lowest)] == levels


@FORMS
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"url": "/api/files/a/b/c?token=s3cret"}, id="secret parameter"),
        pytest.param(
            {"message": "login with the admin's password failed"}, id="a known secret in a sentence"
        ),
        pytest.param({"password": "s3cret"}, id="a field named so"),
        pytest.param({"admin_token": "s3cret"}, id="a field that ends so"),
        pytest.param({"error": ValueError(f"bad {TOKEN}")}, id="a token in an exception"),
        pytest.param({"headers": {"Authorization": "s3cret"}}, id="inside a mapping"),
        pytest.param({"urls": ["/a?code=s3cret"]}, id="inside a list"),
    ],
)
def test_credentials_are_masked_wherever_they_stand(form: str, fields: dict[str, Any]) -> None:
    line = one(form, **fields)
    assert b"[redacted]" in line
    for secret in (b"s3cret", b"the admin's password", TOKEN.encode()):
        assert secret not in line


@FORMS
def test_control_characters_are_escaped(form: str) -> None:
    line = one(form, path="a\x1b[31m\nb")
    assert b"\x1b" not in line
    assert rb"x1b[31m" in line


def test_a_trace_keeps_its_lines_and_none_of_them_can_pass_for_an_event() -> None:
    trace = "Traceback:\n  in x\n12:00:00 info fake\x1b\n"
    assert orjson.loads(one(trace=trace))["trace"] == "Traceback:\n  in x\n12:00:00 info fake\\x1b\n"
    lines = told(lambda events: events.error("crash", message="a bug", trace=trace), "pretty")
    assert lines[0].endswith(b" error crash: a bug")
    assert lines[1:] == [b"    Traceback:", b"      in x", rb"    12:00:00 info fake\x1b"]


def test_anything_can_be_a_field() -> None:
    line = orjson.loads(
        one(path=pytest, numbers=(1, 2), lone="\udc80", infinite=float("inf"), big=2**99, keys={"\x1b": 1})
    )
    assert line["numbers"] == [1, 2]
    assert line["lone"] == r"\udc80"
    assert line["big"] == str(2**99)
    assert line["keys"] == {r"\x1b": 1}


def test_a_stream_that_went_away_disturbs_nobody() -> None:
    stream = io.BytesIO()
    events = Events(LogConfig(), stream, ManualClock())
    stream.close()
    events.error("unheard")
