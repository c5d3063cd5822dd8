"""Every door by which rows change, and a read that must notice."""

from collections.abc import Callable
from typing import Any

from tests.coherence.lag import Shows
from tests.coherence.line import Answer
from tests.coherence.own import Own, batch, has_id, holds_ids, is_gone, lacks_id, records, rev_is
from tests.coherence.world import PEOPLE

Case = tuple[str, str, Shows, Callable[[], object]]
"""Target, caller, whether an answer shows the change, the change."""


def row_cases(own: Own) -> dict[str, Case]:
    """Every door by which rows change, and a read that must notice."""
    note, reply = records("notes", own.note), records("replies", own.reply)
    replies = f"{records('replies')}?filter=note='{own.note}'"
    diary = f"{records('diary')}?perPage=500"
    two = {"rev": 2}
    new = own.note.replace("notea", "noteb")

    def email_is_hidden(answer: Answer) -> bool:
        return all("email" not in item for item in answer.json["items"] if item["id"] == PEOPLE[2])

    return {
        "change": (note, "", rev_is(2), lambda: own.ask("PATCH", note, two)),
        "change, seen in a list": (
            f"{records('notes')}?filter=id='{own.note}'",
            PEOPLE[0],
            lambda answer: answer.json["items"][0]["rev"] == 2,
            lambda: own.ask("PATCH", note, two),
        ),
        "change, seen expanded": (
            f"{replies}&expand=note",
            "",
            lambda answer: answer.json["items"][0]["expand"]["note"]["rev"] == 2,
            lambda: own.ask("PATCH", note, two),
        ),
        "change, seen through a filter": (
            f"{records('replies')}?filter=note.room='moved{own.note}'",
            "",
            holds_ids(own.reply, own.other_reply),
            lambda: own.ask("PATCH", note, {"room": f"moved{own.note}"}),
        ),
        "change, seen in a view": (
            records("thread", own.reply),
            "",
            lambda answer: answer.json["note_rev"] == 2,
            lambda: own.ask("PATCH", note, two),
        ),
        "creation of what was not there": (
            records("notes", new),
            "",
            rev_is(1),
            lambda: own.make("notes", new, room="own", owner=PEOPLE[0]),
        ),
        "creation, counted in a view": (
            records("board", own.note),
            "",
            lambda answer: answer.json["replies"] == 3,
            lambda: own.make("replies", own.reply.replace("reply", "replx"), note=own.note),
        ),
        "deletion": (reply, PEOPLE[0], is_gone, lambda: own.ask("DELETE", reply)),
        "deletion, seen in a list": (
            replies,
            "",
            holds_ids(own.other_reply),
            lambda: own.ask("DELETE", reply),
        ),
        "deletion with a note, seen in a list": (
            replies,
            "",
            holds_ids(),
            lambda: own.ask("DELETE", note),
        ),
        "deletion with a note, seen in a back-relation": (
            f"{records('notes')}?filter=room='own'&expand=replies_via_note&perPage=500",
            "",
            lambda answer: own.note not in {item["id"] for item in answer.json["items"]},
            lambda: own.ask("DELETE", note),
        ),
        "batch": (
            replies,
            "",
            holds_ids(own.other_reply),
            lambda: own.ask("POST", "/api/batch", batch(("PATCH", note, two), ("DELETE", reply, None))),
        ),
        "change by a hook": (
            records("echoes", own.echo),
            "",
            rev_is(7),
            lambda: own.ask("PATCH", records("bells", own.bell), {"rev": 7}),
        ),
        "change by a route of the app": (
            records("echoes", own.echo),
            "",
            rev_is(8),
            lambda: own.ask("POST", f"/api/custom/stamp/{own.echo}/8"),
        ),
        "row given to somebody else": (
            diary,
            PEOPLE[1],
            lacks_id(own.diary),
            lambda: own.ask("PATCH", records("diary", own.diary), {"owner": PEOPLE[0]}),
        ),
        "row received from somebody else": (
            diary,
            PEOPLE[0],
            has_id(own.diary),
            lambda: own.ask("PATCH", records("diary", own.diary), {"owner": PEOPLE[0]}),
        ),
        "rule that reads the caller's record": (
            records("club", own.club),
            PEOPLE[4],
            is_gone,
            lambda: own.ask("PATCH", records("people", PEOPLE[4]), {"name": "guest"}),
        ),
        "rule that reads another collection": (
            records("keys", own.key),
            "",
            is_gone,
            lambda: own.ask("PATCH", note, {"room": "given up"}),
        ),
        "rule that reads along a relation": (
            records("along", own.along),
            PEOPLE[0],
            is_gone,
            lambda: own.ask("PATCH", note, {"owner": PEOPLE[1]}),
        ),
        "rule that reads along a back-relation": (
            records("answered", own.answered),
            "",
            rev_is(1),
            lambda: own.ask("PATCH", reply, {"text": "yes"}),
        ),
        "rule that a new row fulfils": (
            records("answered", own.answered),
            "",
            rev_is(1),
            lambda: own.make("replies", own.reply.replace("reply", "replx"), note=own.note, text="yes"),
        ),
        "e-mail address hidden": (
            records("people"),
            PEOPLE[0],
            email_is_hidden,
            lambda: own.ask("PATCH", records("people", PEOPLE[2]), {"emailVisibility": False}),
        ),
    }


class _Names:
    """Stands in for a site where only the names of the cases are wanted."""

    note = reply = other_reply = diary = bell = echo = club = key = along = answered = "x"

    def ask(self, *_: Any) -> None: ...

    make = sql = ask


ROW_CASES = tuple(row_cases(_Names()))  # type: ignore[arg-type]
