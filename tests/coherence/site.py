"""A PocketBase with the world's rows, a Hapta in front of it, and everybody logged in."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.coherence.line import Line
from tests.coherence.world import HOOKS, PEOPLE, SUPERUSER, World, make_world
from tests.support.hapta import Hapta
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD, PocketBase
from tests.support.process import free_port

SETTINGS: dict[str, Any] = {
    "server.trusted_proxies": "127.0.0.0/8",
    "admin.networks": "127.0.0.0/8,10.0.0.0/8",
    "log.access": "off",
}
"""Each client has an address of its own, in ``X-Forwarded-For``."""
CACHE: dict[str, Any] = {"cache.pb_hooks": "none", "cache.collections.hooked.pb_hooks": "none"}
"""The hooks of the world shape no answers; a collection whose hooks do is not read here."""


def open_pocketbase(template: Path, home: Path) -> PocketBase:
    """A running copy of the template with the world's hooks; the caller closes it."""
    shutil.copytree(template, home, dirs_exist_ok=True)
    (home / "pb_hooks" / "coherence.pb.js").write_text(HOOKS)
    pocketbase = PocketBase(home)
    try:
        pocketbase.open()
    except BaseException:
        pocketbase.close()
        raise
    return pocketbase


class Site:
    """Attributes:
    pocketbase: the real one, asked directly by ``admin``.
    hapta: in front of it.
    world: the model of its rows.
    tokens: Hapta's, by caller.
    metrics_url: where Hapta tells its figures.
    """

    def __init__(self, pocketbase: PocketBase, hapta: Hapta, world: World, metrics_url: str) -> None:
        self.pocketbase, self.hapta, self.world = pocketbase, hapta, world
        self.metrics_url = metrics_url
        self.tokens: dict[str, str] = {}

    @property
    def admin(self) -> httpx.Client:
        """The superuser, straight to PocketBase."""
        return self.pocketbase.admin

    def log_in(self) -> None:
        """Everybody, through Hapta."""
        for person in PEOPLE:
            self.tokens[person] = log_in(self.hapta.url, "people", f"{person}@example.com")
        self.tokens[SUPERUSER] = log_in(self.hapta.url, "_superusers", ADMIN_EMAIL)

    def line(self, number: int = 0, url: str | None = None) -> Line:
        """A connection of the client of this number."""
        address = f"10.0.{number >> 8 & 255}.{number & 255}"
        return Line(url or self.hapta.url, {"X-Forwarded-For": address})

    def figures(self) -> dict[str, float]:
        """All metrics, labels and all, by what stands before the value."""
        text = httpx.get(self.metrics_url, timeout=10).text
        pairs = (line.rpartition(" ") for line in text.splitlines() if line and line[0] != "#")
        return {name: float(value) for name, _, value in pairs}


def log_in(url: str, collection: str, identity: str) -> str:
    body = {"identity": identity, "password": PASSWORD}
    answer = httpx.post(f"{url}/api/collections/{collection}/auth-with-password", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


@contextmanager
def open_site(
    template: Path,
    homes: Callable[[str], Path],
    *,
    is_embedded: bool = False,
    between: Callable[[ExitStack, str], str] | None = None,
    **settings: Any,
) -> Iterator[Site]:
    """A site, gone at the end; Hapta must then end with 0 and without a traceback.

    Args:
        template: a seeded home folder.
        homes: makes an empty folder from a name.
        is_embedded: PocketBase is Hapta's own.
        between: given PocketBase's URL, opens what Hapta is to take for it and returns its URL.
        settings: of Hapta, with ``__`` for the dot.
    """
    with ExitStack() as closing:
        metrics_port = free_port()
        chosen = {key.replace("__", "."): value for key, value in settings.items()}
        chosen |= {"metrics.enabled": True, "metrics.port": metrics_port}
        if is_embedded:
            pocketbase, hapta = _embedded(template, homes("hapta"), chosen)
            closing.enter_context(pocketbase.mail)
            closing.callback(pocketbase.admin.close)
            closing.callback(hapta.stop)
            hapta.start()
            pocketbase.admin.headers["Authorization"] = pocketbase.token("_superusers", ADMIN_EMAIL)
            world = make_world(pocketbase.admin)
        else:
            pocketbase = open_pocketbase(template, homes("pocketbase"))
            closing.callback(pocketbase.close)
            world = make_world(pocketbase.admin)
            upstream = between(closing, pocketbase.url) if between else pocketbase.url
            hapta = Hapta(homes("hapta"), upstream, {**SETTINGS, **CACHE, **chosen})
            closing.callback(hapta.stop)
            hapta.start()
        site = Site(pocketbase, hapta, world, f"http://127.0.0.1:{metrics_port}/metrics")
        site.log_in()
        yield site


def _embedded(template: Path, home: Path, settings: dict[str, Any]) -> tuple[PocketBase, Hapta]:
    """A Hapta that takes over a copy of the template; its PocketBase can be asked directly all the same."""
    shutil.copytree(template, home, dirs_exist_ok=True)
    (home / "pb_hooks" / "coherence.pb.js").write_text(HOOKS)
    pocketbase = PocketBase(home)
    chosen = {**SETTINGS, **CACHE, "upstream.embedded_port": pocketbase.port, **settings}
    env = {"AdminEmail": ADMIN_EMAIL, "AdminPassword": PASSWORD}
    return pocketbase, Hapta(home, None, chosen, env, ("--adopt-data",))
