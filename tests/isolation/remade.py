"""Worlds in which much follows from single rows, and a run that writes one row after the other.

After every few writes everybody reads again what was stored before them: what Hapta brought up to date, made
of a row that was written or took from a list has to be PocketBase's own answer, byte for byte.
"""

import asyncio
from collections.abc import Iterable
from functools import partial
from itertools import count
from random import Random
from urllib.parse import quote

from tests.isolation.asks import Ask
from tests.isolation.callers import Caller, Doors
from tests.isolation.changes import Change
from tests.isolation.remade_writes import OwnWrites
from tests.isolation.report import Figures
from tests.isolation.runner import HEARD_S, Say, WorldRun, in_parallel
from tests.isolation.tables import Field, Table, number, relation, text
from tests.isolation.world import RULES, World

ASKS, STEPS, WRITES = 30, 24, (1, 1, 1, 2, 3)
READERS = ("guest", "people0", "people1", "crew0")
HOWS = ("patched", "refilled", "from-list")
"""What ``Cache-Status`` tells of an answer that was made without PocketBase."""
_INDEXES = (
    "CREATE UNIQUE INDEX `{0}_slug` ON `{0}` (`slug`) WHERE `slug` != 'twin'",
    "CREATE UNIQUE INDEX `{0}_slug` ON `{0}` (`slug` COLLATE NOCASE) WHERE slug != 'twin'",
    "CREATE INDEX `{0}_slug` ON `{0}` (`slug`)",
    "CREATE UNIQUE INDEX `{0}_slug` ON `{0}` (`slug`)",
    "CREATE UNIQUE INDEX `{0}_slug` ON `{0}` (`slug` COLLATE NOCASE)",
)
_WITH_TWINS = 3
"""So many of these allow two rows with the slug "twin"."""
_RULES = {
    "posts": (
        "public = true",
        "owner = @request.auth.id",
        "public = true || owner = @request.auth.id",
        "level < 3",
        "tags ?= 'red'",
        "owner.active = true",
    ),
    "comments": ("public = true", "author = @request.auth.id", "n > 0", "post.public = true"),
    "people": ("level > 0", "emailVisibility = true", "id = @request.auth.id || active = true"),
    "teams": ("public = true", "lead = @request.auth.id || public = true"),
}
_EVERYBODY = ("", "", "", "@request.auth.id != ''", "@request.auth.id = ''")
_SORTS = {
    "posts": (
        "level",
        "-level",
        "level,id",
        "-likes,-id",
        "title",
        "title,-level,id",
        "-created",
        "owner,id",
    ),
    "comments": ("n", "-n,id", "-created,id", "title"),
    "people": ("name", "-level,id", "level,name", "-updated"),
    "teams": ("name", "-name,id", "id"),
}
_FILTERS = {
    "posts": (
        "public = true",
        "level > 1",
        "level != 2 && public = false",
        "title ~ 'a'",
        "status = 'editor'",
        "due > '2030-01-01'",
        "tags ?= 'red'",
        "owner = 'people000000001'",
        "parent = ''",
        "note = ''",
        "slug = 'twin'",
        "slug = 'one'",
        "slug = 'ONE' || level = 1",
        "slug = 's1'",
        "likes > 1 && (level = 0 || public = true)",
        "owner.name = 'a'",
    ),
    "comments": (
        "n > 0",
        "post = 'row000000000001'",
        "author = ''",
        "public = true && n < 3",
        "post.level > 0",
    ),
    "people": ("level > 1", "active = true", "name = 'a'", "email ~ 'people'", "role != ''"),
    "teams": ("public = true", "name != ''", "lead = 'people000000001'", "members ?= 'people000000000'"),
}
_EXPANDS = {
    "posts": (
        "owner",
        "owner.team",
        "editors",
        "editors,owner.team.lead",
        "parent.parent",
        "parent.owner,team",
        "team.members",
        "{comments}_via_post",
    ),
    "comments": ("post", "post.owner", "author,post.parent", "post.editors", "likers"),
    "people": ("team", "boss.team", "teams", "boss", "team.lead"),
    "teams": ("lead", "members", "lead.team", "members.boss"),
}


class RemadeWorld(World):
    """A world with rules, filters and sorts on own fields, and indexes of many kinds.

    In every other one posts lead to posts, so that what a delete does to them is not told by its answer.
    """

    def __init__(self, seed: int, number_of_world: int) -> None:
        self._slugs = count()
        super().__init__(seed, number_of_world)
        self.chance = Random(f"remade {seed}/{number_of_world}")
        created = Field("created", "autodate", options={"onCreate": True, "onUpdate": False})
        updated = Field("updated", "autodate", options={"onCreate": True, "onUpdate": True})
        slugs = ("one", "ONE", "Two", "twin", "twin", "")
        self.tables["posts"].fields += [
            text("slug", slugs),
            number("likes"),
            relation("parent", "posts" if number_of_world % 2 else "teams"),
            text("note"),
            created,
        ]
        self.tables["comments"].fields += [number("n"), created]
        self.tables["people"].fields.append(updated)
        posts = self.tables["posts"]
        posts.indexes = [_INDEXES[number_of_world % len(_INDEXES)].format(posts.name)]
        if self.chance.random() < 0.5:
            posts.indexes.append(f"CREATE INDEX `{posts.name}_level` ON `{posts.name}` (`level`, `note`)")

    def draw_rules(self, table: Table) -> None:
        """Rules that a row itself answers, most of them, and writes by everybody."""
        super().draw_rules(table)
        rng = self.rng
        names = RULES["view" if table.type == "view" else "base"]
        kinds = ("everybody", "own", "drawn")
        for name in names[:2]:
            kind = rng.choices(kinds, (12, 7 if table.word in _RULES else 0, 1))[0]
            if kind == "everybody":
                table.rules[name] = rng.choice(_EVERYBODY)
            elif kind == "own":
                table.rules[name] = rng.choice(_RULES[table.word])
        if rng.random() < 0.6 and table.type != "view":
            table.rules["viewRule"] = table.rules["listRule"]
        for name in names[2:]:
            table.rules[name] = rng.choice(("", "", "", "@request.auth.id != ''"))
        if table.type == "auth" and rng.random() < 0.8:
            table.rules["manageRule"] = None

    def row(self, table: Table) -> dict[str, object]:
        """As any world's, with a slug of its own."""
        found: dict[str, object] = super().row(table)
        if table.word == "posts":
            taken = next(self._slugs)
            has_twins = self.number % len(_INDEXES) < _WITH_TWINS
            found["slug"] = "twin" if has_twins and taken % 3 == 2 else f"s{taken}"
        return found

    def draw_ask(self) -> Ask:
        """A list or view of which something may follow from rows."""
        rng = self.chance
        if rng.random() < 0.06:
            return super().draw_ask()
        word = rng.choice(("posts", "posts", "posts", "posts", "comments", "people", "teams"))
        table = self.tables[word]
        pairs = {}
        if rng.random() < 0.5:
            pairs["expand"] = rng.choice(_EXPANDS[word]).format(comments=self.tables["comments"].name)
        path = f"/api/collections/{table.name}/records"
        if rng.random() < 0.3:
            path += f"/{rng.choice(self.ids[word])}"
        else:
            pairs |= self._list_pairs(word)
        query = "&".join(f"{name}={quote(value, safe=',')}" for name, value in pairs.items())
        return Ask("GET", f"{path}?{query}" if query else path, (), word)

    def _list_pairs(self, word: str) -> dict[str, str]:
        rng, pairs = self.chance, {}
        if rng.random() < 0.55:
            pairs["filter"] = rng.choice(_FILTERS[word])
        if rng.random() < 0.75:
            pairs["sort"] = rng.choice(_SORTS[word])
        if rng.random() < 0.55:
            pairs["perPage"] = rng.choice(("1", "2", "3", "4", "6", "30"))
            pairs["page"] = rng.choice(("1", "1", "1", "2", "2", "3"))
        if rng.random() < 0.25:
            pairs["skipTotal"] = "1"
        return pairs

    def standing_asks(self) -> list[Ask]:
        """Lists that show all that their collections have, and of rows by a value that may be unique."""
        words = ("posts", "comments", "people", "teams")
        names = [self.tables[word].name for word in words]
        targets = [f"/api/collections/{name}/records?perPage=200" for name in names]
        slugs = [f"/api/collections/{names[0]}/records?filter=slug%3D%27{each}%27" for each in ("twin", "s1")]
        of_slugs = [Ask("GET", target, (), "posts") for target in slugs]
        return of_slugs + [Ask("GET", target, (), word) for target, word in zip(targets, words, strict=True)]


class RemadeRun(WorldRun):
    """Everybody's reads of one world, again and again after a few own writes."""

    def __init__(self, seed: int, number: int, doors: Doors, superuser: Caller, figures: Figures) -> None:
        super().__init__(seed, number, doors, superuser, figures, RemadeWorld)
        self._writes = OwnWrites(self._world, doors, superuser)

    async def run(self) -> None:
        """Build the world, store what is read, write; stops at a difference."""
        world = self._world
        assert isinstance(world, RemadeWorld)
        await world.build(self._doors, self._superuser)
        callers = [c for c in world.callers if c.name in READERS]
        world.callers = callers
        await asyncio.sleep(HEARD_S)
        asks = [*world.standing_asks(), *(world.draw_ask() for _ in range(ASKS))]
        await self._read(asks, (), times=1)
        for _ in range(STEPS):
            chosen = world.rng.sample(asks, len(asks) * 2 // 3)
            world.callers = world.rng.sample(callers, 2)
            fresh = [world.draw_ask() for _ in range(world.rng.choice((0, 0, 6)))]
            changes = await self._write_amid_reads(fresh)
            if any(change.is_direct for change in changes):
                await asyncio.sleep(HEARD_S)
            await self._read([*chosen, *fresh, *self._writes.views()], changes, times=1)
            if self._figures.differences:
                return

    async def _write_amid_reads(self, asks: list[Ask]) -> list[Change]:
        """A few writes, at once or one after the other, while others read what is not stored."""
        rng, world = self._world.rng, self._world
        number = rng.choice(WRITES)
        triples = [(ask, rng.choice(world.callers)) for ask in asks]
        async with asyncio.TaskGroup() as group:
            group.create_task(in_parallel([partial(self._through, *triple) for triple in triples]))
            if rng.random() < 0.3:
                return list(await asyncio.gather(*(self._writes.make() for _ in range(number))))
            return [await self._writes.make() for _ in range(number)]


async def run(doors: Doors, seed: int, worlds: Iterable[int], *, say: Say = lambda _: None) -> Figures:
    """Go through worlds until there is a difference.

    Args:
        worlds: their numbers.
        say: takes a line after each world, and each difference.
    """
    total = Figures()
    superuser = await doors.superuser()
    for each in worlds:
        figures = Figures(worlds=1)
        await RemadeRun(seed, each, doors, superuser, figures).run()
        for difference in figures.differences:
            say(str(difference))
        total.add(figures)
        say(f"world {each}: {figures}; {made(figures)}")
        if total.differences:
            break
    return total


def made(figures: Figures) -> dict[str, int]:
    """How many answers came to be in each way."""
    return {
        how: sum(n for fate, n in figures.fates.items() if fate.endswith(f"; detail={how}")) for how in HOWS
    }
