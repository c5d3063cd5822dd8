"""hapta.cache.projection"""

import pytest

from hapta.cache.projection import may_show_email

EXPANDED = {"author", "comments_via_post"}


@pytest.mark.parametrize(
    "fields",
    [
        "id", "id,name", "id, name", "author", "expand.author.id", "expand.author.name,id",
        "expand.comments_via_post.expand.by.name", "emailVisibility", "name,expand.author.emailVisibility",
    ],
)  # fmt: skip
def test_a_plain_list_without_the_email_shows_none(fields: str) -> None:
    assert not may_show_email(fields, EXPANDED)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param("email", id="the e-mail"),
        pytest.param("id, email", id="the e-mail behind a space"),
        pytest.param("*", id="all"),
        pytest.param("id,expand", id="all expands"),
        pytest.param("expand.author", id="a whole row"),
        pytest.param("expand.*", id="all rows"),
        pytest.param("expand.author.*", id="all of a row"),
        pytest.param("expand.*.name", id="a star in the middle"),
        pytest.param("expand.author.email", id="an expanded e-mail"),
        pytest.param("expand.author.expand", id="what a row expands"),
        pytest.param("expand.author.author", id="a repeated name may act like one"),
        pytest.param("expand.comments_via_post", id="all rows of a back-relation"),
        pytest.param("email:excerpt(3)", id="part of an e-mail"),
        pytest.param("id,bio:excerpt(200)", id="a modifier that fails leaves the rest of a list whole"),
        pytest.param(",", id="empty names pick nothing, so everything stays"),
        pytest.param(" ", id="a blank"),
        pytest.param("id,", id="an empty last name"),
        pytest.param("id\t", id="another white space"),
        pytest.param('"id"', id="quotes"),
        pytest.param("id.", id="a point at the end"),
        pytest.param("(id,email)", id="parentheses"),
        pytest.param("ìd", id="a letter that is not ASCII"),
        pytest.param(",".join(["id"] * 700), id="more than anybody writes"),
    ],
)
def test_whatever_may_show_one_is_taken_to_show_it(fields: str) -> None:
    assert may_show_email(fields, EXPANDED)
