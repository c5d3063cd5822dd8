"""hapta.embedded.output"""

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.embedded.output import KEPT_LINES, LONGEST_LINE_BYTES, OutputTail, essence, harmless

TOKEN = jwt.encode({"id": "pbc_3142635823", "type": "auth"}, "k" * 32, algorithm="HS256")


@pytest.mark.parametrize(
    ("printed", "seen"),
    [
        pytest.param(f"token {TOKEN} given", "token [masked] given", id="a token"),
        pytest.param(
            f"http://127.0.0.1:8090/_/#/pbinstall/{TOKEN}",
            "http://127.0.0.1:8090/_/#/pbinstall/[masked]",
            id="the installer's link",
        ),
        pytest.param(
            "http://h/_/#/pbinstall/anything.else",
            "http://h/_/#/pbinstall/[masked]",
            id="whatever the link has",
        ),
        pytest.param(f"{TOKEN[: TOKEN.index('.') + 4]} …", "[masked] …", id="the beginning of a token"),
        pytest.param("\x1b[1;31mred\x1b[0m", "red", id="colours"),
        pytest.param("a\x07b\x1b]0;title\rc\x9b", "ab]0;titlec", id="control characters"),
        pytest.param("├─ REST API:\t/api/", "├─ REST API:\t/api/", id="what PocketBase prints"),
    ],
)
def test_a_line_is_made_harmless(printed: str, seen: str) -> None:
    assert harmless(printed) == seen


@given(cuts=st.lists(st.integers(0, 400), max_size=8))
def test_lines_and_masks_do_not_depend_on_how_the_bytes_arrive(cuts: list[int]) -> None:
    text = f"first\nserved at {TOKEN}\n\n├─ third\n".encode()
    tail, seen, begin = OutputTail(), [], 0
    for cut in [*sorted(cuts), len(text)]:
        seen += tail.feed(text[begin:cut])
        begin = max(begin, cut)
    assert seen == tail.last() == ["first", "served at [masked]", "├─ third"]


def test_only_the_last_lines_are_kept() -> None:
    tail = OutputTail()
    tail.feed(b"".join(b"%d\n" % n for n in range(KEPT_LINES + 5)))
    assert len(tail.last()) == KEPT_LINES
    assert tail.last(2) == [str(KEPT_LINES + 3), str(KEPT_LINES + 4)]


@pytest.mark.parametrize("step", [1000, 10_000_000], ids=["in pieces", "at once"])
def test_a_line_without_end_takes_no_memory_and_shows_no_half_of_a_token(step: int) -> None:
    tail = OutputTail()
    text = b"x " * (LONGEST_LINE_BYTES // 2 - 10) + TOKEN.encode() + b"y" * 100_000 + b"\nnext\n"
    for begin in range(0, len(text), step):
        tail.feed(text[begin : begin + step])
    assert tail.last()[-1] == "next"
    assert len(tail.last()) == 2
    assert all(len(line) <= LONGEST_LINE_BYTES for line in tail.last())
    assert not any(part in line for line in tail.last() for part in [TOKEN[:10], TOKEN[-10:], "yyy"])


def test_the_essence_of_a_panic_is_its_beginning_and_of_anything_else_its_end() -> None:
    plain = ["one", "", "two", "three"]
    assert essence(plain, 2) == ["two", "three"]
    panic = [
        "one",
        "panic: SyntaxError: a.pb.js",
        "",
        "goroutine 1 [running]:",
        "main.main()",
        "\tmain.go:87",
    ]
    assert essence(panic, 4) == ["panic: SyntaxError: a.pb.js"]
