"""A collection with every kind of field, nasty rows in it, and generated filters and sorts over them."""

import itertools
from random import Random
from typing import Any

import httpx

from hapta.cache.lookup import Lookup
from hapta.model.schema import Collection, Schema
from tests.filters.support import quote

NAME = "judged"
TEXTS = [
    *(
        "",
        " ",
        "a",
        "A",
        "ab",
        "Ab",
        "aB",
        "b",
        "B",
        "a ",
        " a",
        "á",
        "Á",
        "a%",
        "%",
        "a_b",
        "_",
        "\\",
        "a\\b",
    ),
    *("\\%", "\\_", "'", '"', "''", "1", "1.0", "01", "10", "9", "true", "null", "ß", "SS", "İ", "i̇", "ǅ"),
    *(
        "\u212a",
        "k",
        "ſ",
        "s",
        "\U0001f600",
        "\uffee",
        "\ue000",
        "a\nb",
        "\n",
        "a\tb",
        "zzz",
        "Zzz",
        "[a]",
        "a.b",
    ),
    *("a*b", "<p>x</p>", "x" * 300, "2024-01-01 00:00:00.000Z", "@now", "a\x00b", "\ufffd", "a\ufffdb"),
    *("abcabc", "aab", "ab%ab", "ABCABC", "\u2028", "\x7f", "\x1f"),
]
NUMBERS = [
    *(
        0,
        -0.0,
        1,
        -1,
        1.5,
        0.1,
        0.2,
        0.3,
        0.1 + 0.2,
        2,
        10,
        9,
        100,
        1e300,
        -1e300,
        1e-300,
        5e-324,
        1e21,
        1e20,
    ),
    *(
        2**53 - 1,
        2**53,
        2**53 + 2,
        -(2**53) - 2,
        2**62,
        2**63,
        2**64,
        123456789012345,
        0.5,
        1e15,
        999999999999.5,
    ),
]
DATES = [
    *(
        "",
        "2024-01-01 00:00:00.000Z",
        "2024-01-01",
        "2024-01-01 00:00:00.001Z",
        "2024-01-01 00:00:00.123456Z",
    ),
    *(
        "2024-06-30 12:34:56Z",
        "2023-12-31 23:59:59.999Z",
        "2024-01-01T00:00:00+02:00",
        "0001-01-01 00:00:00.000Z",
    ),
    *("1999-01-01 00:00:00.000Z", "9999-12-31 23:59:59.999Z", "2024-02-29 01:02:03.400Z"),
]
WILD = ["".join(letters) for size in range(5) for letters in itertools.product("aB%_\\", repeat=size)]
"""Every text of up to four characters that mean something in a pattern, or nothing."""
LINKS = ["", "https://a.example", "https://A.example", "https://a.example/%20_x", "https://b.example/?q=1"]
MAILS = ["", "a@example.com", "b@example.com", "a_b@example.com", "B@example.com"]
CHOICES = ["a", "A", "b", "1", "x_y", "50%"]
ADA = "user00000000001"

_VALUES: dict[str, list[Any]] = {
    "word": TEXTS,
    "other": TEXTS,
    "body": TEXTS,
    "wild": Random(0).sample(WILD, 250),
    "link": LINKS,
    "mail": MAILS,
    "kind": ["", *CHOICES],
    "amount": NUMBERS,
    "count": NUMBERS,
    "flag": [True, False],
    "on": [True, False],
    "day": DATES,
    "night": DATES,
    "kinds": [[], ["a"], ["a", "b"], CHOICES],
    "meta": [None, {}, [], "a", 1, {"n": 1}, "", True, {"n": "a"}],
    "place": [{"lon": 0, "lat": 0}, {"lon": 1.5, "lat": -2}],
    "True": ["", "a"],
}
_LIKE_PIECES = [
    "a",
    "A",
    "b",
    "B",
    "%",
    "_",
    "\\",
    "á",
    "ß",
    " ",
    "'",
    ".",
    "*",
    "ab",
    "\\%",
    "\\_",
    "\n",
    "K",
    "%a",
]
TEXT_FIELDS = (
    "word",
    "other",
    "body",
    "link",
    "mail",
    "kind",
    "one",
    "word:lower",
    "one.id",
    "other:lower",
    "id",
)
DATE_FIELDS = ("day", "night", "created")
NUMBER_FIELDS = ("amount", "count")
BOOL_FIELDS = ("flag", "on")
PLAIN_NUMBERS = ["0", "-0", "1", "-1", "1.0", "1.5", "0.1", "0.3", "007", "-.5", "9", "10", "123456789012345"]
_PLAIN_DATES = [
    *("2024-01-01 00:00:00.000Z", "2024-01-01", "2024", "2024-01-01T00:00:00.000Z", "2024-01-01 00:00:00Z"),
    *("", "x", "2024-01-01 00:00:00.123Z", "1999-01-01 00:00:00.000Z"),
]
_COMPARED = ("=", "!=", "<", "<=", ">", ">=", "?=", "?!=", "?<", "?>=")
_LIKENED = ("~", "!~", "?~", "?!~")
_ODD_OPERANDS = """
    kinds kinds:each kinds:length kinds:lower many many.id many.name one.name meta meta.n place place.lon
    word:length amount:lower flag:lower day:lower word:isset word:each photo users_via_one true FALSE null
    @now @todayStart 1 0 -1.5 'a' '' '1' 'true' hid one.verified judged_via_self.word self.word self.id True
    geoDistance(place.lon,place.lat,1,2) strftime('%Y',day) 99999999999999999999 0.12345678901234567890
"""
_PRIVILEGED = """
    @request.auth.id @request.auth.id @request.auth.name @request.auth.verified @request.method
    @request.body.word
    @request.auth.id:lower @request.query.q @collection.topics.name @collection.judged.word @request.auth.nope
"""


def make(admin: httpx.Client) -> None:
    """The collection and its rows: each value of each field at least once, the rest by chance."""
    users = admin.get("/api/collections/users").raise_for_status().json()["id"]
    own_id = "pbc_judged00000"
    fields: list[dict[str, Any]] = [
        *({"name": name, "type": "text"} for name in ("word", "other", "wild", "True")),
        {"name": "hid", "type": "text", "hidden": True},
        {"name": "body", "type": "editor"},
        {"name": "link", "type": "url"},
        {"name": "mail", "type": "email"},
        {"name": "kind", "type": "select", "values": CHOICES, "maxSelect": 1},
        {"name": "kinds", "type": "select", "values": CHOICES, "maxSelect": 6},
        {"name": "one", "type": "relation", "collectionId": users, "maxSelect": 1},
        {"name": "many", "type": "relation", "collectionId": users, "maxSelect": 9},
        *({"name": name, "type": "number"} for name in NUMBER_FIELDS),
        *({"name": name, "type": "bool"} for name in BOOL_FIELDS),
        *({"name": name, "type": "date"} for name in ("day", "night")),
        {"name": "created", "type": "autodate", "onCreate": True},
        {"name": "meta", "type": "json"},
        {"name": "place", "type": "geoPoint"},
        {"name": "photo", "type": "file", "maxSelect": 1},
    ]
    body = {"id": own_id, "name": NAME, "type": "base", "fields": fields, "listRule": "", "viewRule": ""}
    answer = admin.post("/api/collections", json=body)
    assert answer.status_code == 200, answer.text
    fields = [
        *answer.json()["fields"],
        {"name": "self", "type": "relation", "collectionId": own_id, "maxSelect": 1},
    ]
    admin.patch(f"/api/collections/{NAME}", json={"fields": fields}).raise_for_status()
    people = [row["id"] for row in admin.get("/api/collections/users/records").json()["items"]]
    values = {**_VALUES, "one": ["", *people], "many": [[], people[:1], people[:2], people]}
    chance = Random(20250718)
    known = itertools.count()
    ids: list[str] = []
    for at in range(260):
        row = {name: found[at] if at < len(found) else chance.choice(found) for name, found in values.items()}
        row |= {
            "id": f"row{next(known):012d}",
            "hid": chance.choice(TEXTS),
            "self": chance.choice(["", *ids[:9]]),
        }
        answer = admin.post(f"/api/collections/{NAME}/records", json=row)
        assert answer.status_code == 200, (row, answer.text)
        ids.append(row["id"])


def lookup(admin: httpx.Client) -> tuple[Lookup, Collection]:
    """The schema, and the collection in it."""
    found = admin.get("/api/collections", params={"perPage": 200}).raise_for_status().json()["items"]
    schema = Schema.of(1, map(Collection.parse, found))
    return Lookup(schema), schema.by_name[NAME]


def supported(chance: Random, rows: list[dict[str, Any]], *, is_client: bool) -> str:
    """A comparison that is known of rows without doubtful values."""
    draw = chance.random()
    if draw < 0.08:
        field = chance.choice([*TEXT_FIELDS, *DATE_FIELDS, *NUMBER_FIELDS, *BOOL_FIELDS])
        nothing = chance.choice(["null", "''", '""', "NULL"])
        pair = [field, nothing]
        chance.shuffle(pair)
        return chance.choice(_COMPARED[:2]).join(pair)
    if draw < 0.14:
        fields = chance.choice([TEXT_FIELDS, DATE_FIELDS, (*NUMBER_FIELDS, *BOOL_FIELDS)])
        return f"{chance.choice(fields)} {chance.choice(_COMPARED)} {chance.choice(fields)}"
    if draw < 0.22 and not is_client:
        other = chance.choice([*TEXT_FIELDS, "''", quote(ADA), "'x'"])
        pair = ["@request.auth.id", other]
        chance.shuffle(pair)
        return chance.choice(_COMPARED).join(pair)
    if draw < 0.5:
        if draw < 0.26 and not is_client:
            return f"{chance.choice(TEXT_FIELDS)} {chance.choice(_LIKENED)} @request.auth.id"
        field = chance.choice([*TEXT_FIELDS, *TEXT_FIELDS, *DATE_FIELDS])
        text = "".join(chance.choices(_LIKE_PIECES, k=chance.randint(0, 4)))
        if field in DATE_FIELDS:
            text = chance.choice(["2024-01", "01-01 00", "%Z", "2024%", "_024%", ""])
        elif chance.random() < 0.4:
            shown = str(chance.choice(rows)[field.partition(":")[0].partition(".")[0]]).replace("\0", "")
            at = chance.randint(0, len(shown))
            text = chance.choice(["", "%"]) + shown[at : at + chance.randint(1, 9)] + chance.choice(["", "%"])
            text = "".join(chance.choice([each.swapcase(), each, each, "_"]) for each in text)
        return f"{field} {chance.choice(_LIKENED)} {quote(text)}"
    if draw < 0.7:
        field = chance.choice(TEXT_FIELDS)
        shown = str(chance.choice(rows)[field.partition(":")[0].partition(".")[0]]).replace("\0", "")
        pair = [field, quote(chance.choice([shown, shown.lower(), *TEXTS]).replace("\0", ""))]
    elif draw < 0.8:
        field = chance.choice(DATE_FIELDS)
        pair = [field, quote(chance.choice([*_PLAIN_DATES, str(chance.choice(rows)[field])]))]
    elif draw < 0.92:
        pair = [chance.choice(NUMBER_FIELDS), chance.choice([*PLAIN_NUMBERS, "true", "FALSE"])]
    else:
        pair = [chance.choice(BOOL_FIELDS), chance.choice(["true", "false", "TRUE", "0", "1", "0.5"])]
    chance.shuffle(pair)
    return f" {chance.choice(_COMPARED)} ".join(pair)


def odd(chance: Random, rows: list[dict[str, Any]], *, is_client: bool) -> str:
    """Any comparison at all; PocketBase refuses some."""
    if chance.random() < 0.4:
        return supported(chance, rows, is_client=is_client)
    plain = [*TEXT_FIELDS, *DATE_FIELDS, *NUMBER_FIELDS, *BOOL_FIELDS, *PLAIN_NUMBERS]
    operands = [*_ODD_OPERANDS.split() * 2, *plain, *([] if is_client else _PRIVILEGED.split() * 3)]
    operators = [*_COMPARED, *_LIKENED]
    return f"{chance.choice(operands)} {chance.choice(operators)} {chance.choice(operands)}"


def joined(chance: Random, leaves: list[str]) -> str:
    """The comparisons with ``&&``, ``||`` and parentheses between them."""
    text = leaves[0]
    for leaf in leaves[1:]:
        text = f"({text})" if chance.random() < 0.3 else text
        text = f"{text} {chance.choice(['&&', '||'])} {leaf}"
    return text
