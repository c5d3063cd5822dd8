"""What is concluded from the hooks directory, and what the operator says over it."""

from pathlib import Path

import pytest

from hapta.app.hooks_mode import HooksModes, is_stock, look_into, strongest
from hapta.cache.plan import HooksMode
from hapta.config import CacheCollectionConfig, CacheConfig
from hapta.embedded.options import find_binary
from tests.feed.support import Recorded
from tests.unit.cache.schemas import collection

NONE, AUTH, REQUEST = HooksMode.NONE, HooksMode.AUTH, HooksMode.REQUEST
ENRICH = 'onRecordEnrich((e) => { e.record.hide("x"); e.next() }, "posts")'


@pytest.mark.parametrize(
    ("argument", "mode"),
    [
        ("`${__hooks}/utils.js`", AUTH),
        ("`${ __hooks }/lib/utils`", AUTH),
        ('__hooks + "/utils.js"', AUTH),
        ("'./utils.js'", AUTH),
        ('"lodash"', AUTH),
        ("`${__hooks}/../shared/enrich.js`", REQUEST),
        ("'../enrich.js'", REQUEST),
        ("'/srv/enrich.js'", REQUEST),
        ("'./lib/../../enrich.js'", REQUEST),
        ("`${__hooks}/enrich.inc`", REQUEST),
        ("name", REQUEST),
        ("'./' + name", REQUEST),
        ("$os.getenv('ENRICH')", REQUEST),
    ],
)
def test_what_hooks_load_from_elsewhere_may_be_anything(
    tmp_path: Path, argument: str, mode: HooksMode
) -> None:
    (tmp_path / "main.pb.js").write_text(f"onBootstrap((e) => {{ e.next(); require({argument}) }})")
    assert look_into(tmp_path, is_stock=True).mode is mode


@pytest.mark.parametrize(
    ("files", "mode"),
    [
        pytest.param({}, NONE, id="no file"),
        pytest.param(
            {"notes.js": ENRICH, "a.pb.jsx": ENRICH, "A.PB.JS": ENRICH}, NONE, id="none that is loaded"
        ),
        pytest.param({"sub/a.pb.js": ENRICH}, NONE, id="folders are not loaded"),
        pytest.param({"a.pb.js": ""}, AUTH, id="an empty one: in doubt"),
        pytest.param({".a.pb.ts": "cronAdd('x', '* * * * *', () => {})"}, AUTH, id="a hidden one"),
        pytest.param(
            {"a.pb.js": "onRecordAfterCreateSuccess((e) => { $app.save(r) })"}, AUTH, id="of writes"
        ),
        pytest.param({"a.pb.js": ENRICH}, AUTH, id="shapes reads, alike for the same caller"),
        pytest.param(
            {"a.pb.js": 'onRecordEnrich((e) => { if (e.requestInfo?.auth) e.record.hide("x") })'},
            AUTH,
            id="by who asks",
        ),
        pytest.param(
            {"a.pb.js": "onRecordEnrich((e) => { e.requestInfo.headers })"}, REQUEST, id="by header"
        ),
        pytest.param({"a.pb.js": "onRecordEnrich((e) => { f(e.requestInfo) })"}, REQUEST, id="hands it on"),
        pytest.param(
            {"a.pb.js": "routerUse((e) => { e.request.url; return e.next() })"}, REQUEST, id="middleware"
        ),
        pytest.param({"a.pb.js": "onRecordViewRequest((e) => { e.realIP() })"}, REQUEST, id="by address"),
        pytest.param({"a.pb.js": "onRecordEnrich((e) => { new Date() })"}, REQUEST, id="by the time"),
        pytest.param({"a.pb.js": "onRecordEnrich((e) => { Math.random() })"}, REQUEST, id="by chance"),
        pytest.param(
            {"a.pb.js": "onRecordEnrich((e) => { $app.countRecords('x') })"}, REQUEST, id="other rows"
        ),
        pytest.param(
            {"a.pb.js": "onRecordEnrich((e) => { e.app.findRecordById() })"}, REQUEST, id="by e.app"
        ),
        pytest.param({"a.pb.js": "globalThis['onRecord' + 'Enrich'](f)"}, REQUEST, id="hides its names"),
        pytest.param(
            {"a.pb.js": 'routerAdd("GET", "/api/collections/posts/records", (e) => e.json(200, e.request))'},
            REQUEST,
            id="a route at the place of PocketBase's",
        ),
        pytest.param(
            {
                "a.pb.js": "require(`${__hooks}/lib/b.js`)",
                "lib/b.js": "onRecordEnrich((e) => { new Date() })",
            },
            REQUEST,
            id="in a required file",
        ),
        pytest.param(
            {"a.pb.js": ENRICH, "lib/b.js": "module.exports = { now: Date.now }"},
            REQUEST,
            id="a helper's clock",
        ),
    ],
)
def test_the_directory_says(tmp_path: Path, files: dict[str, str], mode: HooksMode) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert look_into(tmp_path, is_stock=True).mode is mode


def test_no_directory_means_no_hooks(tmp_path: Path) -> None:
    assert look_into(tmp_path / "nowhere", is_stock=True).mode is NONE


def test_a_binary_of_the_operators_may_have_hooks_compiled_in(tmp_path: Path) -> None:
    assert look_into(tmp_path, is_stock=False).mode is AUTH


def test_a_linked_file_counts(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text(ENRICH)
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "a.pb.js").symlink_to(tmp_path / "real.txt")
    assert look_into(tmp_path / "hooks", is_stock=True).mode is AUTH


def test_hooks_too_many_to_read_are_taken_for_the_worst(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hapta.app.hooks_mode._MOST_FILES", 1)
    (tmp_path / "a.pb.js").write_text(ENRICH)
    (tmp_path / "b.js").write_text(ENRICH)
    assert look_into(tmp_path, is_stock=True).mode is REQUEST


def test_a_file_that_cannot_be_read_is_taken_for_the_worst(tmp_path: Path) -> None:
    (tmp_path / "a.pb.js").write_text(ENRICH)
    (tmp_path / "b.js").symlink_to(tmp_path / "gone")
    assert look_into(tmp_path, is_stock=True).mode is REQUEST


def test_the_pocketbase_beside_python_is_the_one_that_came_with_hapta(tmp_path: Path) -> None:
    assert is_stock(find_binary("", tmp_path, ""))
    (tmp_path / "pocketbase").touch(mode=0o755)
    assert not is_stock(find_binary("pocketbase", tmp_path, str(tmp_path)))


def test_each_start_looks_again(tmp_path: Path) -> None:
    events = Recorded()
    modes = HooksModes(CacheConfig(), hooks_dir=tmp_path, events=events)
    assert (modes.default, modes.version) == (NONE, 1)
    assert not modes.look()
    (tmp_path / "a.pb.js").write_text(ENRICH)
    assert modes.default is NONE
    assert modes.look()
    assert (modes.default, modes.version) == (AUTH, 2)
    assert events.names == ["pb_hooks", "pb_hooks"]


def test_elsewhere_hooks_may_be_and_the_operator_hears_what_none_would_gain() -> None:
    events = Recorded()
    modes = HooksModes(CacheConfig(), hooks_dir=None, events=events)
    assert not modes.look()
    assert modes.default is AUTH
    assert len(events.fields) == 1
    assert 'pb_hooks = "none"' in str(events.fields[0]["message"])


@pytest.mark.parametrize("given", ["none", "auth", "request"])
def test_what_the_operator_says_counts(given: str, tmp_path: Path) -> None:
    (tmp_path / "a.pb.js").write_text("onRecordEnrich((e) => { new Date() })")
    events = Recorded()
    modes = HooksModes(CacheConfig(pb_hooks=given), hooks_dir=tmp_path, events=events)  # type: ignore[arg-type]
    assert modes.default is HooksMode(given)
    assert events.names == []


def test_each_collection_may_differ() -> None:
    named = {
        "Posts": CacheCollectionConfig(pb_hooks="none"),
        "notes_id": CacheCollectionConfig(pb_hooks="request"),
        "plain": CacheCollectionConfig(),
        "open": CacheCollectionConfig(pb_hooks="auto"),
    }
    modes = HooksModes(CacheConfig(pb_hooks="request", collections=named), hooks_dir=None, events=Recorded())
    found = {name: modes.of(collection(name)) for name in ("posts", "notes", "plain", "open", "other")}
    assert found == {"posts": NONE, "notes": REQUEST, "plain": REQUEST, "open": AUTH, "other": REQUEST}
    assert [name for name in found if modes.follows(collection(name))] == ["posts"]


def test_nothing_is_followed_for_a_cache_that_is_off() -> None:
    modes = HooksModes(CacheConfig(pb_hooks="none", is_enabled=False), hooks_dir=None, events=Recorded())
    assert not modes.follows(collection("posts"))


def test_the_strongest_of_several_modes_counts() -> None:
    assert strongest() is NONE
    assert strongest(NONE, REQUEST, AUTH) is REQUEST
