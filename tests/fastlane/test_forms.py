"""In whatever form a client asks for an answer, the lane gives the form that the full way gives."""

from itertools import product

import pytest

from tests.fastlane.site import LIST, POSTS, VIEW, Caller, Site, field, fixed, get

LARGE = f"{POSTS}?perPage=25"
CODINGS = (None, "gzip", "gzip;q=0", "*", "identity", "br, gzip")
ORIGINS = (None, "http://page.example")


def _etags(site: Site, target: str) -> tuple[str, str]:
    """Of the plain form and of the one in gzip, where there is one."""
    with Caller(site) as plain, Caller(site, "Accept-Encoding: gzip") as zipped:
        for _ in range(5):
            zipped.ask(target)
        site.settle()
        return str(field(plain.ask(target), "ETag")), str(field(zipped.ask(target), "ETag"))


@pytest.mark.parametrize("target", [VIEW, LIST, LARGE, f"{POSTS}/nothing"])
@pytest.mark.parametrize("login", ["", "Authorization: {}", "Authorization: bearer {}"])
def test_the_lane_gives_the_form_that_the_full_way_gives(
    on: Site, off: Site, target: str, login: str
) -> None:
    logins = []
    for site in (on, off):
        token = site.token("users", "ada@example.com") if login else ""
        logins.append([login.format(token)] if login else [])
    plain, coded = _etags(on, target)
    assert (plain, coded) == _etags(off, target)
    conditions = (None, plain, coded, f"W/{plain}", f"{coded}, {plain}", "*", '"another"', "garbage")
    told = on.told
    for coding, condition, origin in product(CODINGS, conditions, ORIGINS):
        lines = [
            f"{name}: {value}"
            for name, value in (
                ("Accept-Encoding", coding),
                ("If-None-Match", condition),
                ("Origin", origin),
            )
            if value is not None
        ]
        answers = []
        for site, of in zip((on, off), logins, strict=True):
            with Caller(site, *lines, *of) as caller:
                answers.append([fixed(caller.ask(target)) for _ in range(5)][-1])
        assert answers[0] == answers[1], get(target, *lines)
    assert on.told > told + 100
