"""Writes that end in an odd way, with a feed that says nothing: what Hapta itself saw has to be enough."""

import re
import time
from typing import Any

import httpx

from tests.coherence.conftest import OpenSite
from tests.coherence.own import records
from tests.coherence.relay import Relay
from tests.coherence.site import Site
from tests.coherence.world import SUPERUSER
from tests.support.pocketbase import PASSWORD

LIST = records("notes")


def ask(site: Site, target: str) -> tuple[Any, bool]:
    """What a guest is answered, and whether out of the store."""
    answer = httpx.get(site.hapta.url + target, timeout=10)
    return answer.json(), "hapta; hit" in answer.headers["Cache-Status"]


def warm(site: Site, target: str) -> Any:
    """What a guest is answered out of the store."""
    for _ in range(40):
        found, is_hit = ask(site, target)
        if is_hit:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{target} is never stored")


def superuser(site: Site) -> httpx.Client:
    return httpx.Client(
        base_url=site.hapta.url, headers={"Authorization": site.tokens[SUPERUSER]}, timeout=30
    )


def test_a_code_that_counted_is_seen_though_the_second_factor_is_refused(
    relayed_site: tuple[Site, Relay],
) -> None:
    site, relay = relayed_site
    rules = {"listRule": "", "viewRule": ""}
    account = {"email": "late@example.com", "password": PASSWORD, "passwordConfirm": PASSWORD}
    with superuser(site) as client:
        client.patch("/api/collections/members", json=rules).raise_for_status()
        member = client.post(records("members"), json=account).raise_for_status().json()["id"]
    url = f"{site.hapta.url}/api/collections/members"
    asked = httpx.post(f"{url}/request-otp", json={"email": account["email"]}, timeout=10)
    code = None
    while code is None:
        code = re.search(r"\b\d{8}\b", str(site.pocketbase.mail.mails(account["email"])))
        time.sleep(0.05)
    assert warm(site, records("members", member))["verified"] is False
    relay.silence_streams(new_ones_too=False)  # no sooner: the feed follows a new schema with a new stream
    login = {"otpId": asked.json()["otpId"], "password": code[0], "mfaId": "none of mine"}
    assert httpx.post(f"{url}/auth-with-otp", json=login, timeout=10).status_code == 400
    assert site.admin.get(records("members", member)).json()["verified"] is True
    assert ask(site, records("members", member))[0]["verified"] is True


def test_a_guest_empties_nothing_by_asking_for_what_is_not_there(new_site: OpenSite) -> None:
    refused = {
        ("POST", "//x"): 307,
        ("DELETE", "/api//y"): 307,
        ("POST", "/nowhere"): 404,
        ("PUT", "/api/collections/notes"): 404,
        ("DELETE", "/api/settings"): 404,
        ("DELETE", "/api/collections/notes/truncate"): 401,
    }
    with new_site(cache__collections__hooked__pb_hooks="none") as site:
        for (method, target), status in refused.items():
            warm(site, LIST)
            answer = httpx.request(method, site.hapta.url + target, json={}, timeout=10)
            assert answer.status_code == status
            assert ask(site, LIST)[1], f"{method} {target} threw the list away"


def test_a_view_that_sql_made_anew_follows_the_tables_it_reads_now(deaf_site: Site) -> None:
    site, board = deaf_site, records("board")
    warm(site, board)
    with superuser(site) as client:
        for query in (
            "DROP VIEW board",
            "CREATE VIEW board AS SELECT id, rev, '' AS room, 0 AS replies FROM echoes",
        ):
            client.post("/api/sql", json={"query": query}).raise_for_status()
        echo = client.post(records("echoes"), json={"rev": 1}).raise_for_status().json()["id"]
        shown = {row["id"]: row["rev"] for row in warm(site, board)["items"]}
        assert shown[echo] == 1
        client.patch(records("echoes", echo), json={"rev": 2}).raise_for_status()
    assert {row["id"]: row["rev"] for row in ask(site, board)[0]["items"]}[echo] == 2
