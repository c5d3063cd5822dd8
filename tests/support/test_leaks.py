"""tests.support.leaks: a search that finds nothing must be one that would have found something."""

import gzip
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from tests.support.leaks import files, issued, traces

KEY = "k" * 32
AUTH, FILE, MAILED = (
    jwt.encode({"type": kind, "id": "user00000000001"}, KEY, algorithm="HS256").encode()
    for kind in ("auth", "file", "verification")
)


def _chunked(text: bytes) -> bytes:
    middle = text.index(AUTH) + len(AUTH) - 20
    parts = (text[:middle], text[middle:])
    return b"\r\n".join([b"", *(b"%x\r\n%s" % (len(part), part) for part in parts), b"0", b""])


HIDDEN: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda text: text,
    "in a query": lambda text: b"/x?token=" + text.replace(b" ", b"%20"),
    "cut by a chunk": _chunked,
    "compressed": gzip.compress,
    "compressed, with something after it": lambda text: gzip.compress(text) + b"HTTP/1.1 200 OK\r\n",
    "compressed and cut": lambda text: gzip.compress(text)[:-4],
    "compressed, in chunks": lambda text: gzip.compress(text)[:15] + b"\r\n90\r\n" + gzip.compress(text)[15:],
    "its signature alone": lambda text: text.replace(AUTH, AUTH.rpartition(b".")[2]),
}  # fmt: skip


@pytest.mark.parametrize("hide", HIDDEN.values(), ids=HIDDEN)
def test_a_token_is_found_in(hide: Callable[[bytes], bytes]) -> None:
    tokens = issued([b'{"token":"%s"}' % AUTH])
    (found,) = set(traces(tokens, {"there": [hide(b"here it is: %s, and goes on" % AUTH)]}))
    assert found.startswith("there: ")


@pytest.mark.parametrize("hide", [HIDDEN["as it is"], HIDDEN["cut by a chunk"], HIDDEN["compressed"]])
def test_tokens_are_collected_from(hide: Callable[[bytes], bytes]) -> None:
    tokens = issued([hide(b"%s %s %s" % (AUTH, FILE, MAILED))])
    assert sorted(tokens.values()) == ["auth", "file"]


def test_other_tokens_are_not_mistaken_for_them() -> None:
    tokens = issued([AUTH])
    assert traces(tokens, {"there": [FILE, MAILED, b"eyJhbGciOi"]}) == []
    assert traces({}, {"there": [AUTH]}) == []


def test_files_are_searched_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.bin").write_bytes(b"\x00" + AUTH)
    (found,) = traces(issued([AUTH]), files(tmp_path))
    assert found.startswith("a/b/c.bin: ")
