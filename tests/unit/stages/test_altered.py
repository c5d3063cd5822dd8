"""Which values a list of ``fields`` changes."""

import pytest

from hapta.stages.altered import EVERYTHING, NOTHING, altered_by, altered_by_query


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ("", set()),
        ("id,title,expand.author.name", set()),
        ("status:excerpt(2)", {"status"}),
        ("id, status:excerpt( 2 , true ) ,title", {"status"}),
        ("status,status:excerpt(2)", {"status"}),
        ("expand.author.role:excerpt(1)", {"role"}),
        ("expand.author.expand.team.name:excerpt(1),body:excerpt(200,true)", {"name", "body"}),
        ("expand.comments(post).text:excerpt(1)", {"text"}),
        ("meta.kind:excerpt(2)", {"meta", "kind"}),
        ("record.role:excerpt(1)", {"record", "role"}),
        ("expand.author:excerpt(1)", {"expand", "author"}),
    ],
)
def test_the_names_before_a_modifier_are_changed(fields: str, names: set[str]) -> None:
    found = altered_by(fields)
    assert (set(found.names), found.are_all) == (names, False)


@pytest.mark.parametrize(
    "fields",
    [
        "*:excerpt(2)",
        "expand.*:excerpt(2)",
        "*.kind:excerpt(2)",
        "status:shorten(2)",
        "status:excerpt",
        "status:excerpt(2):excerpt(3)",
        '"status":excerpt(2)',
        "'a,status:excerpt(2)'",
        "(status:excerpt(2))",
        "a b:excerpt(2)",
        "ſtatus:excerpt(2)",
        "status:excerpt(2)\n",
        ",status:excerpt(2)",
    ],
)
def test_what_cannot_be_read_for_certain_changes_everything(fields: str) -> None:
    assert altered_by(fields) == EVERYTHING
    assert "anything" in altered_by(fields)


def test_of_a_query_the_list_counts_that_pocketbase_reads() -> None:
    assert altered_by_query("") == altered_by_query("sort=a:excerpt(2)") == NOTHING
    assert altered_by_query("fields=a%3Aexcerpt(2)&fields=b").names == {"a"}
    assert altered_by_query("fields=%zz&fields=a:excerpt(2)").names == {"a"}
    assert altered_by_query("fields=%ff") == EVERYTHING
