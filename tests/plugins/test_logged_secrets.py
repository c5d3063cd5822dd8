"""What hooks were given and no log may have: passwords, however the exception quotes them."""

import json
from pathlib import Path

import pytest

from tests.plugins.workshop import serving
from tests.support.pocketbase import PocketBase, from_template
from tests.support.process import wait_until

CRASHES = """
def crash(change):
    password = change.fields["password"]
    match change.fields["name"]:
        case "int": int(password)
        case "fields": raise ValueError(change.fields)
        case "change": raise ValueError(change, [change], {"change": change})
        case "assert": assert password == "another", password
        case "group": raise ExceptionGroup("several", [KeyError(password), ValueError({"p": [password]})])
        case "json":
            import json
            raise ValueError(json.dumps(dict(change.fields)))
        case "cause":
            try:
                int(password)
            except ValueError as error:
                raise RuntimeError("wrapped") from error


def setup(api):
    @api.validate("users", on="create")
    async def guard(change):
        if change.fields["name"] != "watched":
            crash(change)

    @api.after_write("users", on="create")
    async def watch(written):
        note("watch")
        raise ValueError(dict(written.change.fields))
"""
PASSWORDS = ("plain-and-long", 'it\'s "quoted" \\ so', "ünïcödé 🔑 pass", "first\nsecond\tthird")


@pytest.mark.parametrize("password", PASSWORDS)
def test_no_trace_of_a_hook_has_the_password_it_was_given(
    pocketbase_template: Path, tmp_path: Path, password: str
) -> None:
    pocketbase: PocketBase = from_template(pocketbase_template, tmp_path / "pocketbase")
    (tmp_path / "hapta").mkdir()
    try:
        with serving(tmp_path / "hapta", pocketbase.url, {"crashes.py": CRASHES}) as shop:
            ways = ("int", "fields", "change", "assert", "group", "json", "cause", "watched")
            for way in ways:
                row = {"name": way, "email": f"{way}@secrets.example"}
                answer = shop.client.post(
                    "/api/collections/users/records",
                    json={**row, "password": password, "passwordConfirm": password},
                )
                assert answer.status_code == (200 if way == "watched" else 500), answer.text
            wait_until(lambda: len(shop.logged('"hook_failed"')) == len(ways), "a failure of each")
            failures = [json.loads(line) for line in shop.logged('"hook_failed"')]
    finally:
        pocketbase.close()
    for failure in failures:
        told = failure["message"] + failure["trace"]
        quoted = {password, repr(password)[1:-1], json.dumps(password)[1:-1]}
        assert {each for each in quoted if each in told} == set(), told
        assert "[redacted]" in told or "Change(" in told
