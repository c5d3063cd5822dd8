"""Replaces what no two servers share, so that answers of two can be compared with ``==``.

Replaced are: moments after ``since`` (rows of the seed keep their exact dates), generated ids, suffixes of
file names, realtime client ids, one-time codes, the server's own addresses, and tokens, of which claims and
rough lifetime remain; of file tokens nothing does, for Hapta's show nothing. Ids and suffixes are numbered in
order of appearance: two servers must repeat the same ones at the same places.
"""

import base64
import json
import re
import time
from collections.abc import Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

_TOKEN = re.compile(r"eyJ[\w-]+\.(eyJ[\w-]+)\.[\w-]+")
_FILE_TOKEN = re.compile(r"hf1\.[\w-]+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z")
_CLIENT = re.compile(r"\b[A-Za-z0-9]{40}\b")
_HTTP_DATE = re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
_SUFFIX = re.compile(r"(?<=\w)_[a-z0-9]{10}(?=[._`])")
_ID = re.compile(r"\b[a-z0-9]{15}\b")
_CODE = re.compile(r"\b\d{8}\b")
_LIFETIMES = ((3600, "minutes"), (23 * 3600, "hours"), (float("inf"), "days"))
_CLAIMS = ("type", "id", "collectionId", "refreshable", "email", "newEmail")


class Normaliser:
    """Of one server's answers; keep one per server for a whole comparison, the numbering is its state."""

    def __init__(self, since: datetime, own: Iterable[str]) -> None:
        """
        Args:
            since: later than every date of the seed.
            own: base URLs and folders of this server.
        """
        self._since = since
        self._own = tuple(own)
        self._numbers: dict[tuple[str, str], int] = {}

    def value(self, value: Any) -> Any:
        """A JSON value with every string in it replaced, names of members too."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.value(item) for item in value]
            case dict():
                return {self.text(name): self.value(item) for name, item in value.items()}
            case _:
                return value

    def text(self, text: str) -> str:
        for own in self._own:
            text = text.replace(own, "<own>").replace(own.removeprefix("http://"), "<own>")
        text = _TOKEN.sub(lambda found: _describe_token(found[1]), text)
        text = _FILE_TOKEN.sub("<file token>", text)
        text = _DATE.sub(lambda found: self._date(found[0]), text)
        text = _HTTP_DATE.sub(lambda found: self._http_date(found[0]), text)
        text = _CLIENT.sub(lambda found: self._number("client", found[0]), text)
        text = _SUFFIX.sub(lambda found: "_" + self._number("suffix", found[0]), text)
        text = _ID.sub(lambda found: found[0] if _is_chosen(found[0]) else self._number("id", found[0]), text)
        return _CODE.sub("<code>", text)

    def _date(self, text: str) -> str:
        return text if datetime.fromisoformat(text.replace(" ", "T")) < self._since else "<now>"

    def _http_date(self, text: str) -> str:
        return text if parsedate_to_datetime(text) < self._since.replace(microsecond=0) else "<now>"

    def _number(self, kind: str, found: str) -> str:
        same_kind = sum(1 for known, _ in self._numbers if known == kind)
        return f"<{kind} {self._numbers.setdefault((kind, found), same_kind + 1)}>"


def _is_chosen(row_id: str) -> bool:
    return "0000" in row_id


def _describe_token(payload: str) -> str:
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    if claims["type"] == "file":
        return "<file token>"
    left_s = claims["exp"] - time.time()
    lifetime = next(name for limit, name in _LIFETIMES if left_s < limit)
    known = " ".join(f"{name}={claims[name]}" for name in _CLAIMS if name in claims)
    return f"<token {known} for {lifetime}>"
