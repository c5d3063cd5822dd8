"""All limits together: a request is allowed when every rule that applies to it allows it, and then charged to
all of them; refused by one, it is charged to none.

Nothing here waits, so between the look and the charge nothing else runs: a thousand requests at once are
counted exactly. Counts are kept by the rule's name: :meth:`Limiter.configure` changes quotas under them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hapta.limits.gcra import NS, remaining
from hapta.limits.keys import Key
from hapta.limits.rules import Asked, Resolve, Rule, Subject
from hapta.limits.table import Table
from hapta.model.clock import Clock

Charge: TypeAlias = tuple[Rule, Table, float]
"""A rule that applies to a request, where it counts, and what the request costs there."""


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
        resolved_under: rises whenever ``resolve`` may answer differently than before.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        max_keys: int,
        clock: Clock,
        resolve: Resolve,
        resolved_under: Callable[[], int] = lambda: 0,
    ) -> None:
        self._max_keys = max_keys
        self._clock = clock
        self._resolve = resolve
        self._resolved_under = resolved_under
        self._configured = 0
        self._tables: dict[str, Table] = {}
        self._always: tuple[Charge, ...] = ()
        self._sometimes: tuple[Charge, ...] = ()
        self.configure(rules)

    def configure(self, rules: Sequence[Rule]) -> None:
        """Replace the rules; what callers owe under a name that stays, they still owe."""
        before, self._tables = self._tables, {}
        charges = []
        for rule in rules:
            table = before.get(rule.name)
            if table is None:  # an empty one is false
                table = Table(rule.quota, self._max_keys)
            table.quota = rule.quota
            self._tables[rule.name] = table
            charges.append((rule, table, rule.cost))
        self._always = tuple(charge for charge in charges if charge[0].is_for_everything)
        self._sometimes = tuple(charge for charge in charges if not charge[0].is_for_everything)
        self._configured += 1

    @property
    def version(self) -> int:
        """Rises whenever :meth:`applying` may answer differently than before."""
        return self._configured + self._resolved_under()  # neither ever falls, so the sum rises with each

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
        return self.take_charges(subject, self.applying(asked))

    @property
    def for_everything(self) -> tuple[Charge, ...] | None:
        """What every request is charged to; ``None`` where that depends on what it asks."""
        return None if self._sometimes else self._always

    def applying(self, asked: Asked) -> tuple[Charge, ...]:
        """What a request is charged to, whoever asks; good for as long as :attr:`version` stays."""
        if not self._sometimes:
            return self._always
        resolve = self._resolve
        return (*self._always, *(each for each in self._sometimes if each[0].applies_to(asked, resolve)))

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
        result = self.take_charges(charged.subject, charges)
        if isinstance(result, Refusal):
            return result
        charged.entries += [entry for entry in result.entries if not charged.covers(entry[0])]
        return None

    def take_charges(self, subject: Subject, charges: Sequence[Charge]) -> Charged | Refusal:
        """Charge one request to all of ``charges`` that count such a caller, or to none."""
        if len(charges) == 1:  # one limit is what most have
            rule, table, cost = charges[0]
            key = rule.key(subject)
            if key is not None and self._took(table, key, cost):
                return Charged(self, subject, [(rule, table, key)])
        entries, costs = [], []
        for rule, table, cost in charges:
            key = rule.key(subject)
            if key is not None:
                entries.append((rule, table, key))
                costs.append(cost)
        return self._charge(entries, costs) or Charged(self, subject, entries)

    def again(self, charged: Charged) -> Refusal | None:
        """Charge one more request of the same caller for the same: what :meth:`take_charges` does, with whom
        it counts for looked up beforehand. The rules must be those of now (:attr:`version`).

        Returns:
            ``None`` when it is allowed.
        """
        entries = charged.entries
        if len(entries) == 1:
            rule, table, key = entries[0]
            if self._took(table, key, rule.cost):
                return None
        return self._charge(entries, [rule.cost for rule, _, _ in entries])

    def _took(self, table: Table, key: Key, cost: float) -> bool:
        """Whether one rule allows it, which is then charged."""
        return table.spend(key, cost, self.now()) >= 0

    def _charge(self, entries: Sequence[tuple[Rule, Table, Key]], costs: Sequence[float]) -> Refusal | None:
        """All of it, or nothing."""
        now, tats = int(self._clock.monotonic() * NS), []
        for (rule, table, key), cost in zip(entries, costs, strict=True):
            tat = table.offer(key, cost, now)
            if tat < 0:
                return Refusal(rule, table.peek(key, cost, now).retry_after_s)
            tats.append(tat)
        for (_, table, key), tat in zip(entries, tats, strict=True):
            table.settle(key, tat, now)
        return None

    def standing(self, charged: Charged) -> list[tuple[Rule, int, float]]:
        """For each rule a request was charged to: what is left to its caller now, and the seconds until all
        of the burst is."""
        now = self.now()
        found = []
        for rule, table, key in charged.entries:
            tat = table.tat(key)
            found.append((rule, remaining(table.quota, tat, now), max(0, tat - now) / NS))
        return found
