"""A Hapta with a folder of plugins that belongs to the test."""

import os
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.plugins import journal
from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD
from tests.support.process import end_process, tail, wait_until

HEAD = "from hapta.plugins import *\nfrom tests.plugins.journal import note\n"
POSTS = "/api/collections/posts/records"


class Workshop:
    """One ``hapta serve`` and its plugins.

    Attributes:
        folder: of the plugins.
        client: a guest's, at Hapta.
    """

    def __init__(self, home: Path, upstream: str | None, tables: str, settings: Mapping[str, Any]) -> None:
        self.folder = home / "plugins"
        self.folder.mkdir()
        (home / "config.toml").write_text(textwrap.dedent(tables))
        self._journal = home / "journal.jsonl"
        self.hapta = Hapta(home, upstream, settings, {"JOURNAL": str(self._journal)})
        self.client = httpx.Client(base_url=self.hapta.url, timeout=30)

    def write(self, name: str, source: str) -> Path:
        """Put a plugin there in one go, as editors do; ``name`` is its path within the folder."""
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        new = file.with_name(f".{file.name}.new")
        new.write_text(HEAD + textwrap.dedent(source))
        os.replace(new, file)
        return file

    def seen(self, kind: str, **like: Any) -> list[dict[str, Any]]:
        """What plugins have noted of this kind, and with these values."""
        return [
            line
            for line in journal.read(self._journal)
            if line["kind"] == kind and all(line.get(name) == value for name, value in like.items())
        ]

    def wait_for(self, kind: str, count: int = 1, **like: Any) -> list[dict[str, Any]]:
        """The same, as soon as there are so many."""
        wait_until(lambda: len(self.seen(kind, **like)) >= count, f"{count} of {kind} {like}")
        return self.seen(kind, **like)

    def signed_in(self, identity: str, collection: str = "users") -> httpx.Client:
        """A client with a session of somebody of the seed."""
        body = {"identity": identity, "password": PASSWORD}
        answer = self.client.post(f"/api/collections/{collection}/auth-with-password", json=body)
        answer.raise_for_status()
        headers = {"Authorization": answer.json()["token"]}
        return httpx.Client(base_url=self.hapta.url, headers=headers, timeout=30)

    def superuser(self) -> httpx.Client:
        return self.signed_in(ADMIN_EMAIL, "_superusers")

    def logged(self, text: str) -> list[str]:
        """Lines of the log that have this text."""
        return [line for line in self.hapta.log.splitlines() if text in line]

    def stop(self) -> None:
        """SIGTERM; it must end with 0. Traces of crashed hooks may be in its log."""
        self.client.close()
        if self.hapta.process is None:
            return
        code = end_process(self.hapta.process, timeout_s=30)
        self.hapta.process = None
        assert code == 0, f"hapta serve ended with {code}:\n{tail(self.hapta.log_path)}"


@contextmanager
def serving(
    home: Path,
    upstream: str | None,
    plugins: Mapping[str, str],
    tables: str = "",
    *,
    is_started: bool = True,
    **settings: Any,
) -> Iterator[Workshop]:
    """A running Hapta with these plugins, by their paths.

    Args:
        tables: of its ``config.toml``.
        settings: as of :func:`tests.conftest.make_hapta`.
    """
    chosen = {key.replace("__", "."): value for key, value in {"log__format": "json", **settings}.items()}
    workshop = Workshop(home, upstream, tables, chosen)
    for name, source in plugins.items():
        workshop.write(name, source)
    try:
        if is_started:
            workshop.hapta.start()
        yield workshop
    finally:
        workshop.stop()


def errors_of(answer: httpx.Response) -> dict[str, str]:
    """Codes by field of a refusal in PocketBase's form."""
    body = answer.json()
    assert body.keys() == {"data", "message", "status"}, body
    assert body["status"] == answer.status_code, body
    return {field: error["code"] for field, error in body["data"].items()}
