"""The concurrent check: no read may miss a write that was acknowledged before the read was sent.

With many clients at once there is no single right answer to compare with. Instead every write carries a
revision that rises, writes to one row are sent one after the other, and the ledger notes in one order when
each was sent and acknowledged and when each read was sent. An answer is then judged row by row:

- a row shown at a revision below one acknowledged before the read was sent is *stale*;
- a row shown at a revision that nobody has sent yet is made up;
- a list that starts with the newest row must hold every row acknowledged before it was sent, down to its own
  oldest;
- a count lies between what was surely there and what was possibly there.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hapta.workload.answers import Answer, records
from hapta.workload.calls import Listing, Read, Write

_FROM_THE_START = 0


@dataclass(slots=True)
class _Row:
    """The writes of one row.

    Attributes:
        sent: revisions on their way or done.
        acknowledged: revision to the moment of its answer.
        created_at: as PocketBase says, once the creation was acknowledged; empty for an initial row.
        creation_acknowledged: the moment; ``None`` before.
        deletion_sent, deletion_acknowledged: the moments; ``None`` before.
        only_for: the one user who may see it.
    """

    sent: set[int] = field(default_factory=set)
    acknowledged: dict[int, int] = field(default_factory=dict)
    created_at: str = ""
    creation_acknowledged: int | None = None
    deletion_sent: int | None = None
    deletion_acknowledged: int | None = None
    only_for: str | None = None

    def is_surely_there(self, moment: int) -> bool:
        return (
            self.creation_acknowledged is not None
            and self.creation_acknowledged < moment
            and self.deletion_sent is None
        )

    def is_surely_gone(self, moment: int) -> bool:
        return self.deletion_acknowledged is not None and self.deletion_acknowledged < moment


class RevisionLedger:
    """Who wrote what when, in moments of its own count.

    Args:
        initial_ids: ids of all rows that were there before the first write.
        initial_counts: for each scope that is counted, how many of them it holds.
        initial_owners: of those that only one user may see, that user.
    """

    def __init__(
        self,
        initial_ids: frozenset[str],
        initial_counts: Mapping[str, int],
        initial_owners: Mapping[str, str],
    ) -> None:
        self._initial_ids = initial_ids
        self._initial_owners = initial_owners
        self._initial_counts = Counter(initial_counts)
        self._rows: defaultdict[str, _Row] = defaultdict(_Row)
        self._scopes: defaultdict[str, list[str]] = defaultdict(list)
        self._moment = _FROM_THE_START

    def now(self) -> int:
        """A new moment, later than all before."""
        self._moment += 1
        return self._moment

    def begin(self, write: Write) -> None:
        """A write is about to be sent; no other write to its row is under way."""
        identifier = write.row[1]
        is_new = identifier not in self._rows
        row = self._rows[identifier]
        if is_new and identifier in self._initial_ids:
            row.sent.add(0)
            row.creation_acknowledged = _FROM_THE_START
        if is_new:
            row.only_for = write.only_for or self._initial_owners.get(identifier)
            for scope in write.scopes:
                self._scopes[scope].append(identifier)
        if write.method == "DELETE":
            row.deletion_sent = self.now()
        else:
            row.sent.add(write.revision)

    def end(self, write: Write, answer: Answer) -> None:
        """The write was acknowledged."""
        row, moment = self._rows[write.row[1]], self.now()
        if write.method == "DELETE":
            row.deletion_acknowledged = moment
            return
        row.acknowledged[write.revision] = moment
        if write.method == "POST":
            row.creation_acknowledged = moment
            row.created_at = str(answer.json["created"])

    def judge(self, read: Read, sent: int, answer: Answer) -> Iterator[str]:
        """What is wrong with an answer, in words.

        Args:
            read: the request.
            sent: the moment right before it was sent.
            answer: what came back, before any other moment has passed.
        """
        for record in records(answer.json):
            yield from self._judge_record(record, sent)
        if read.row is not None and answer.status != 200:
            identifier = read.row[1]
            row = self._rows.get(identifier)
            is_there = identifier in self._initial_ids if row is None else row.is_surely_there(sent)
            owner = self._initial_owners.get(identifier) if row is None else row.only_for
            if is_there and owner in (None, read.caller):
                yield f"{identifier} is not there ({answer.status})"
        if read.listing is not None and answer.json is not None and answer.status == 200:
            if read.listing.is_newest_first:
                yield from self._judge_newest(read, sent, answer.json)
            if read.listing.is_count:
                yield from self._judge_count(read.listing, sent, answer.json)

    def _judge_record(self, record: Mapping[str, Any], sent: int) -> Iterator[str]:
        identifier, revision = record["id"], record.get("revision")
        row = self._rows.get(identifier)
        if row is None:
            if identifier not in self._initial_ids or revision != 0:
                yield f"{identifier} at revision {revision}, which nobody has written"
            return
        if revision not in row.sent:
            yield f"{identifier} at revision {revision}, which nobody has written"
            return
        known = [number for number, moment in row.acknowledged.items() if moment < sent]
        if known and revision < max(known):
            yield f"{identifier} at revision {revision}, but {max(known)} was acknowledged"
        if row.is_surely_gone(sent):
            yield f"{identifier}, whose deletion was acknowledged"

    def _judge_newest(self, read: Read, sent: int, page: Mapping[str, Any]) -> Iterator[str]:
        assert read.listing is not None
        items = page["items"]
        shown = {item["id"] for item in items}
        oldest = items[-1]["created"] if len(items) == page["perPage"] else ""
        for identifier in self._scopes.get(read.listing.scope, ()):
            row = self._rows[identifier]
            is_due = row.is_surely_there(sent) and row.only_for in (None, read.caller)
            if is_due and row.created_at > oldest and identifier not in shown:
                yield f"{identifier} is missing from {read.listing.scope}"

    def _judge_count(self, listing: Listing, sent: int, page: Mapping[str, Any]) -> Iterator[str]:
        least = most = self._initial_counts[listing.scope]
        for identifier in self._scopes.get(listing.scope, ()):
            row = self._rows[identifier]
            if identifier in self._initial_ids:
                least -= row.deletion_sent is not None
                most -= row.is_surely_gone(sent)
            else:
                least += row.is_surely_there(sent)
                most += not row.is_surely_gone(sent)
        if not least <= page["totalItems"] <= most:
            yield f"{listing.scope}: {page['totalItems']} counted, but {least} to {most} are there"
