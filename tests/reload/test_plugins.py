"""Plugins at a reload: their settings, their files, whether they are on; and what of them is left when the
configuration is refused."""

import io
import textwrap
from pathlib import Path

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.reload.conftest import MakeSite
from tests.reload.site import Site
from tests.support.pocketbase import ADMIN_EMAIL, PASSWORD

POSTS = "/api/collections/posts/records"
STAMP = """
from hapta.plugins import PluginApi, Settings


class Stamp(Settings):
    number: int = 1
    fails: bool = False


def setup(api: PluginApi) -> None:
    settings = api.settings(Stamp)

    @api.startup
    async def begin():
        api.log.info(f"begins {settings.number}")
        if settings.fails:
            raise ValueError("not today")

    @api.shutdown
    async def end():
        api.log.info(f"ends {settings.number}")

    @api.transform("posts", on="create")
    async def stamp(change):
        return change.with_fields(views=VERSION * settings.number)
"""


def put(site: Site, name: str = "stamp", version: int = 1) -> Path:
    folder = site.hapta.home / "plugins"
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text(textwrap.dedent(STAMP).replace("VERSION", str(version)))
    return file


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """With the plugin; its files are looked at when a reload is asked for, and not besides."""
    site = make_site(started=False, hooks__reload=False)
    put(site)
    site.hapta.start()
    return site


def views(site: Site) -> int:
    """What the plugin makes of a new post."""
    answer = httpx.post(f"{site.url}{POSTS}", json={"title": "stamped"}).raise_for_status().json()
    httpx.delete(f"{site.url}{POSTS}/{answer['id']}")
    return int(answer["views"])


def said(site: Site) -> list[str]:
    return [event["message"] for event in site.events("plugin")]


def test_other_settings_replace_the_plugin(site: Site) -> None:
    assert views(site) == 1
    told = site.reload(plugins__stamp__number=7)
    assert told["changes"] == ["plugins.stamp: none -> a table", "plugins.stamp.number: none -> 7"]
    assert views(site) == 7


def test_a_changed_file_is_loaded_by_a_reload_alone(site: Site) -> None:
    put(site, version=5)
    assert views(site) == 1
    site.reload()
    assert views(site) == 5
    assert len(site.events("plugin_loaded")) == 1


def test_one_that_is_the_same_is_left_alone(site: Site) -> None:
    site.reload(cors__max_age_s=4)
    assert site.events("plugin_loaded") == []
    assert said(site) == ["begins 1"]


def test_a_plugin_is_switched_off_and_on(site: Site) -> None:
    site.reload(plugins__stamp__is_enabled=False)
    assert views(site) == 0
    assert len(site.events("plugin_removed")) == 1
    site.reload(plugins__stamp__is_enabled=True)
    assert views(site) == 1


def test_settings_it_does_not_take_refuse_the_whole_reload(site: Site) -> None:
    site.write(plugins__stamp__number="seven", cors__max_age_s=3)
    (message,) = site.refuse()
    assert "plugins.stamp.number: expected" in message
    assert message.startswith("config.toml:")
    assert views(site) == 1


def test_one_whose_startup_fails_leaves_all_as_it_was(site: Site) -> None:
    put(site, "other", version=3)
    site.write(plugins__other__number=2, plugins__stamp__fails=True)
    (message,) = site.refuse()
    assert "not today" in message
    assert views(site) == 1
    assert said(site) == ["begins 1", "begins 2", "begins 1", "ends 2"], "what had begun was ended again"
    site.reload(plugins__stamp__fails=None)
    assert [each["plugin"] for each in site.events("plugin_loaded")] == ["other"]


def test_what_uploads_may_be_changes_and_images_are_made_anew_from_the_reload_on(site: Site) -> None:
    picture, text = io.BytesIO(), PngInfo()
    text.add_text("Comment", "taken at home")
    Image.new("RGB", (8, 8), "red").save(picture, "png", pnginfo=text)
    files = "/api/collections/documents/records"
    with httpx.Client(base_url=site.url, timeout=30) as client:
        login = {"identity": ADMIN_EMAIL, "password": PASSWORD}
        answer = client.post("/api/collections/_superusers/auth-with-password", json=login)
        client.headers["Authorization"] = answer.raise_for_status().json()["token"]

        def upload(name: str, content: bytes) -> httpx.Response:
            return client.post(files, files=[("attachments", (name, content))])

        assert upload("a.txt", b"words").status_code == 200
        site.reload(uploads__is_enabled=True, uploads__reencode=True, uploads__types=["image/png"])
        assert upload("a.txt", b"words").status_code == 400
        row = upload("a.png", picture.getvalue()).raise_for_status().json()
        served = client.get(f"/api/files/documents/{row['id']}/{row['attachments'][0]}").content
        assert served.startswith(b"\x89PNG")
        assert b"taken at home" in picture.getvalue()
        assert b"taken at home" not in served
