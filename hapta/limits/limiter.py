"""All limits together: a request is allowed when every rule that applies to it allows it, and then charged to
all of them; refused by one, it is charged to none.

Nothing here waits, so between the look and the charge nothing else runs: a thousand requests at once are
counted exactly. Counts are kept by the rule's name: :meth:`Limiter.configure` changes quotas under them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hapta.limits.gcra import NS, remaining
from hapta.limits.keys import Key
from hapta.limits.rules import Asked, Resolve, Rule, Subject
from hapta.limits.table import Table
from hapta.model.clock import Clock


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a rule says to a request that is not allowed."""

    rule: Rule
    retry_after_s: float


@dataclass(slots=True)
class Charged:
    """Whom one request was charged to: rule, its table, and the key there. Charged again when it turns out to
    cost more than what was taken beforehand.
    """

    limiter: "Limiter"
    subject: Subject
    entries: list[tuple[Rule, Table, Key]]

    def more(self, requests: float) -> None:
        """Charge every rule as if for so many further requests; nothing is refused."""
        now = self.limiter.now()
        for rule, table, key in self.entries:
            table.charge_more(key, rule.cost * requests, now)

    def covers(self, rule: Rule) -> bool:
        """Whether a rule was charged."""
        return any(charged.name == rule.name for charged, _, _ in self.entries)


class Limiter:
    """Counts for all rules.

    Args:
        rules: to begin with.
        max_keys: callers each rule remembers by themselves.
        clock: monotonic time.
        resolve: the one form of a collection's name or id.
    """

    def __init__(self, rules: Sequence[Rule], max_keys: int, clock: Clock, resolve: Resolve) -> None:
        self._max_keys = max_keys
        self._clock = clock
        self._resolve = resolve
        self._tables: dict[str, Table] = {}
        self._always: list[tuple[Rule, Table, float]] = []
        self._sometimes: list[tuple[Rule, Table, float]] = []
        self.configure(rules)

    def configure(self, rules: Sequence[Rule]) -> None:
        """Replace the rules; what callers owe under a name that stays, they still owe."""
        before, self._tables = self._tables, {}
        self._always, self._sometimes = [], []
        for rule in rules:
            table = before.get(rule.name) or Table(rule.quota, self._max_keys)
            table.quota = rule.quota
            self._tables[rule.name] = table
            (self._always if rule.is_for_everything else self._sometimes).append((rule, table, rule.cost))

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, those for every request first."""
        return tuple(rule for rule, _, _ in (*self._always, *self._sometimes))

    def __len__(self) -> int:
        """Keys remembered now, of all rules."""
        return sum(map(len, self._tables.values()))

    def now(self) -> int:
        """The time all of this runs on, in nanoseconds."""
        return int(self._clock.monotonic() * NS)

    def take(self, subject: Subject, asked: Asked) -> Charged | Refusal:
        """Charge one request to every rule that applies to it, or to none."""
        charges = self._always
        if self._sometimes:
            resolve = self._resolve
            charges = charges + [charge for charge in self._sometimes if charge[0].applies_to(asked, resolve)]
        return self._take(subject, charges)

    def take_parts(self, charged: Charged, parts: Sequence[Asked]) -> Refusal | None:
        """Charge the parts of a request (a batch) that was itself charged already: it counts as its parts,
        not as one more.

        Returns:
            ``None`` when all rules allow all parts; they are then noted in ``charged``.
        """
        charges = []
        for rule, table, cost in (*self._always, *self._sometimes):
            count = sum(rule.applies_to(part, self._resolve) for part in parts)
            if charged.covers(rule):
                count -= 1
            if count > 0:
                charges.append((rule, table, cost * count))
        result = self._take(charged.subject, charges)
        if isinstance(result, Refusal):
            return result
        charged.entries += [entry for entry in result.entries if not charged.covers(entry[0])]
        return None

    def _take(self, subject: Subject, charges: Sequence[tuple[Rule, Table, float]]) -> Charged | Refusal:
        now = int(self._clock.monotonic() * NS)
        entries, tats = [], []
        for rule, table, cost in charges:
            key = rule.key(subject)
            if key is None:
                continue
            decision = table.peek(key, cost, now)
            if not decision.allowed:
                return Refusal(rule, decision.retry_after_s)
            entries.append((rule, table, key))
            tats.append(decision.tat)
        for (_, table, key), tat in zip(entries, tats, strict=True):
            table.settle(key, tat, now)
        return Charged(self, subject, entries)

    def standing(self, charged: Charged) -> list[tuple[Rule, int, float]]:
        """For each rule a request was charged to: what is left to its caller now, and the seconds until all
        of the burst is."""
        now = self.now()
        found = []
        for rule, table, key in charged.entries:
            tat = table.tat(key)
            found.append((rule, remaining(table.quota, tat, now), max(0, tat - now) / NS))
        return found
