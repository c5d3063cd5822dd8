"""A filter or sort names a field for Hapta exactly where it does for PocketBase: where it is refused once the
field is hidden."""

from itertools import count

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hapta.cache.lookup import Lookup
from hapta.cache.named import Named, NotCertain, named_in_filter, named_in_sort
from hapta.model.schema import Collection, Schema
from tests.conftest import MakePocketBase
from tests.filters.support import VALID
from tests.support.pocketbase import PocketBase

HIDDEN = {
    "posts": ("status", "meta", "author", "tags", "place", "created"),
    "comments": ("post",),
    "topics": ("name",),
}
_TERMS = [
    *("title", "-status", "author.name", "+meta.n", "tags:length", "comments_via_post.text", "topics.name"),
    *("views", "@rowid", "author.id", "comments_via_post.post.views", "-created", "place.lon", "@random"),
]
_addresses = count(1)


class Twins:
    """Two with the same rows; one hides fields."""

    def __init__(self, shown: PocketBase, hidden: PocketBase) -> None:
        self._shown, self._hidden = shown.url, hidden.url
        answer = shown.admin.get("/api/collections?perPage=1000")
        self.schema = Schema.of(1, [Collection.parse(each) for each in answer.json()["items"]])
        self.lookup = Lookup(self.schema)
        for name, fields in HIDDEN.items():
            collection = hidden.admin.get(f"/api/collections/{name}").json()
            for field in collection["fields"]:
                field["hidden"] = field["hidden"] or field["name"] in fields
            body = {"fields": collection["fields"]}
            hidden.admin.patch(f"/api/collections/{name}", json=body).raise_for_status()
        by_name = self.schema.by_name
        self.guarded = {(by_name[name].id, field) for name, fields in HIDDEN.items() for field in fields}

    def are_told_apart(self, collection: str, parameter: str, text: str) -> bool | None:
        """Whether a list is refused because of a hidden field; ``None`` if it is anyway."""
        query = {parameter: text, "perPage": "1", "fields": "id", "skipTotal": "1"}
        statuses = []
        for url in (self._shown, self._hidden):
            number = next(_addresses)
            headers = {"X-Hapta-Client-IP": f"11.1.{number >> 8 & 255}.{number & 255}"}
            path = f"{url}/api/collections/{collection}/records"
            statuses.append(httpx.get(path, params=query, headers=headers, timeout=30).status_code)
        return None if statuses[0] != 200 else statuses[1] == 400

    def named(self, collection: str, parameter: str, text: str) -> frozenset[Named] | None:
        """What Hapta finds."""
        read = named_in_filter if parameter == "filter" else named_in_sort
        try:
            return read(self.lookup, self.schema.by_name[collection], text)
        except NotCertain:
            return None


@pytest.fixture
def hiding(pocketbase: PocketBase, make_pocketbase: MakePocketBase) -> Twins:
    return Twins(pocketbase, make_pocketbase())


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=VALID)
@example(text="author.name = 'Ada'")
@example(text="author.id = 'x'")
@example(text="comments_via_post.text ?~ '1'")
@example(text="comments_via_post.post.title ~ '1'")
@example(text="comments_via_post.author.posts_via_author.views > 1")
@example(text="status = (views > 1)")
@example(text="geoDistance(place.lon, place.lat, 1, 2) < 3")
def test_a_filter_names_what_it_is_refused_for_once_that_is_hidden(hiding: Twins, text: str) -> None:
    apart, named = hiding.are_told_apart("posts", "filter", text), hiding.named("posts", "filter", text)
    if apart is not None:
        assert named is not None, text
        assert apart is bool(named & hiding.guarded), (text, named)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    terms=st.lists(
        st.sampled_from(_TERMS),
        min_size=1,
        max_size=3,
    )
)
def test_a_sort_names_what_it_is_refused_for_once_that_is_hidden(hiding: Twins, terms: list[str]) -> None:
    text = ",".join(terms)
    apart, named = hiding.are_told_apart("posts", "sort", text), hiding.named("posts", "sort", text)
    if apart is not None:
        assert named is not None, text
        assert apart is bool(named & hiding.guarded), (text, named)
