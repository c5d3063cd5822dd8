"""Generated collections and bodies: every field type with options that bite, values of every JSON type."""

import json
from typing import Any

from hypothesis import strategies as st

_BOOL = st.booleans()
_TEXTS = st.one_of(
    st.sampled_from(
        [
            *(
                "",
                "a",
                "ab",
                "abc",
                "ABC",
                "a b",
                " ",
                "x.",
                "é",
                "ééé",
                "😀😀",
                "null",
                "true",
                "0",
                "5",
                "-7.5",
            ),
            *(
                "1e3",
                "12345",
                "NaN",
                "inf",
                "[",
                '["a"]',
                "{}",
                "[]",
                "<&>",
                "\x00",
                "\x7f",
                "\u2028",
                "a/b",
                "-",
            ),
            *(
                "a@b.de",
                "a@bad.com",
                "nobody",
                "@b.de",
                "a@",
                "a.b@c.example.com",
                "a b@c.de",
                "a@b@c.de",
                "A+b@B.De",
            ),
            *(
                "http://example.com",
                "https://bad.com/x",
                "example",
                "http://example.com/a/b",
                "HTTP://EXAMPLE.COM",
            ),
            *(
                "2025-01-01 00:00:00.000Z",
                "2019-05-05T10:00:00.123Z",
                "2040-12-31 23:59:59.999Z",
                "2025-02-30 00:00:00.000Z",
            ),
            *(
                "0001-01-01 00:00:00.000Z",
                "2025-01-01",
                "never",
                "abcdefghijklmno",
                "abcdefghijklmn0123",
                "ABCDEFGHIJKLMNO",
            ),
        ]
    ),
    st.text(max_size=8).filter(lambda text: not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)),
    st.text("ab.@-_ 1", max_size=14),
    st.text("abz", min_size=4, max_size=40),
)
_NUMBERS = st.one_of(
    st.sampled_from(
        [0, 1, -1, 5, 1.5, -0.0, 1e-5, 1e15, 1e16, 1e21, -1e19, 9.3e18, 123456789, 0.1, 91, -181]
    ),
    st.integers(-20, 20),
    st.floats(-1e6, 1e6, allow_nan=False),
)
_SCALARS = st.one_of(_TEXTS, _NUMBERS, st.booleans(), st.none())
_POINTS = st.fixed_dictionaries(
    {},
    optional={"lon": st.one_of(st.floats(-200, 200), _SCALARS), "lat": st.floats(-100, 100), "Lat": _NUMBERS},
)
VALUES = st.one_of(
    _SCALARS,
    st.lists(_SCALARS, max_size=4),
    _POINTS,
    st.dictionaries(st.text("ab", max_size=2), _SCALARS, max_size=2),
)

_PATTERNS = st.sampled_from(
    ["", "", "^[a-z]+$", "b", r"^\w*$", "^(a|b)*$", r"(?i)^a", r"^\p{L}+$", "^.{2,}$", "x$"]
)
_DOMAINS = st.sampled_from([{}, {"onlyDomains": ["b.de", "example.com"]}, {"exceptDomains": ["bad.com"]}])
_SIZES = st.sampled_from([0, 3, 20, 40])


@st.composite
def _text(draw: st.DrawFn) -> dict[str, Any]:
    least = draw(st.integers(0, 3))
    generated = draw(st.sampled_from(["", "", "", "[a-z]{5}", "[0-9]{9}"]))
    pattern = "" if generated else draw(_PATTERNS)
    return {
        "type": "text",
        "min": least,
        "max": draw(st.sampled_from([0, 12])) if generated else draw(st.sampled_from([0, 3, 5])),
        "pattern": pattern,
        "autogeneratePattern": generated,
    }


_BOUNDS = st.one_of(
    st.none(), st.integers(-30, 30), st.floats(-50, 50, width=16), st.sampled_from([1e6, 0.001, 2.5e7, -3e6])
)


@st.composite
def _number(draw: st.DrawFn) -> dict[str, Any]:
    least, most = draw(_BOUNDS), draw(_BOUNDS)
    if least is not None and most is not None and least > most:
        least, most = most, least
    # a bound of -0 is 0 to whoever reads the schema, but not in PocketBase's words
    least, most = (None if one is None else one + 0.0 for one in (least, most))
    whole = draw(_BOOL)
    if whole:
        least, most = (None if one is None else float(int(one)) + 0.0 for one in (least, most))
    return {"type": "number", "min": least, "max": most, "onlyInt": whole}


@st.composite
def _select(draw: st.DrawFn) -> dict[str, Any]:
    values = draw(st.sampled_from([["a", "b", "abc"], ["1", "true", "x.", "é", "a b"]]))
    return {"type": "select", "values": values, "maxSelect": draw(st.sampled_from([0, 1, 2]))}


_OPTIONS = st.one_of(
    _text(),
    _text(),
    _number(),
    _select(),
    st.just({"type": "bool"}),
    _DOMAINS.map(lambda domains: {"type": "email", **domains}),
    _DOMAINS.map(lambda domains: {"type": "url", **domains}),
    st.sampled_from(["", "2020-01-01 00:00:00.000Z", "2021-02-03 04:05:06.780Z"]).map(
        lambda least: {"type": "date", "min": least, "max": "2030-01-01 12:30:00.123Z"}
    ),
    _SIZES.map(lambda size: {"type": "json", "maxSize": size}),
    _SIZES.map(lambda size: {"type": "editor", "maxSize": size}),
    st.just({"type": "geoPoint"}),
    st.sampled_from([1, 2]).map(lambda most: {"type": "file", "maxSelect": most}),
    st.just({"type": "password", "min": 3, "max": 6}),
    st.just({"type": "autodate", "onCreate": True}),
    st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from([0, 2])).map(
        lambda of: {"type": "relation", "collectionId": "TARGET", "minSelect": of[1], "maxSelect": max(of)}
    ),
)


@st.composite
def fields(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Fields of a collection, named ``f0``, ``f1`` …; ``TARGET`` stands for a collection to relate to."""
    found = []
    for index, options in enumerate(draw(st.lists(_OPTIONS, min_size=1, max_size=6))):
        required = (
            {} if options["type"] == "autodate" else {"required": draw(st.sampled_from([False, False, True]))}
        )
        found.append({"name": f"f{index}", "hidden": draw(st.integers(0, 7)) == 0, **required, **options})
    return found


_LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "date": st.sampled_from(
        [
            "2025-01-01 00:00:00.000Z",
            "2019-05-05T10:00:00.123Z",
            "2040-12-31 23:59:59.999Z",
            "2030-01-01 12:30:00.124Z",
        ]
    ),
    "editor": st.text("aé", max_size=50),
    "email": st.sampled_from(["a@b.de", "a@bad.com", "a.b@example.com", "nobody"]),
    "geoPoint": st.fixed_dictionaries({"lon": st.integers(-200, 200), "lat": st.integers(-100, 100)}),
    "json": st.one_of(st.text("ab c", max_size=50), st.lists(st.integers(0, 9), max_size=12)),
    "number": st.one_of(st.integers(-100, 100), st.floats(-100, 100, width=16)),
    "password": st.text("ab", max_size=9),
    "relation": st.lists(st.sampled_from(["a", "b", "c"]), max_size=3),
    "select": st.lists(st.sampled_from(["a", "b", "1", "z", "é", "z!"]), max_size=3),
    "text": st.text("abxé", max_size=8),
    "url": st.sampled_from(["http://example.com", "https://bad.com/x", "https://b.de/a/b", "example"]),
}
_PASSWORDS = st.sampled_from(
    ["12345678", "1234567", "x" * 71, "x" * 72, "x" * 73, "é" * 37, "", None, 12345678, ["x"]]
)
_EXTRA = st.dictionaries(
    st.sampled_from(["id", "nope", "f0+", "+f1", "f0:autogenerate", "expand", "@x", "", "created", "f1-"]),
    VALUES,
    max_size=1,
)


@st.composite
def bodies(draw: st.DrawFn, made: list[dict[str, Any]], *, is_auth: bool) -> dict[str, Any]:
    """A body for a collection with these fields."""
    values = {one["name"]: st.one_of(_LIKELY.get(one["type"], VALUES), VALUES) for one in made}
    found = draw(st.fixed_dictionaries({}, optional=values))
    if is_auth:
        password = draw(_PASSWORDS)
        found |= {
            "password": password,
            "passwordConfirm": draw(st.one_of(st.just(password), st.just(password), _PASSWORDS)),
        }
        optional = {"email": _TEXTS, "verified": VALUES, "emailVisibility": VALUES, "tokenKey": _TEXTS}
        found |= draw(st.fixed_dictionaries({}, optional=optional))
        if draw(st.integers(0, 3)) == 0:
            del found["passwordConfirm"]
    if draw(st.integers(0, 2)) == 0:
        found |= draw(_EXTRA)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]
