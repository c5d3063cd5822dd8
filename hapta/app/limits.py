"""Limits put together: counts, the stages that ask them, and the figures about both."""

from collections.abc import Callable, Sequence

from hapta.config import Config
from hapta.config.feeds import collections_of
from hapta.feed import SchemaWatch
from hapta.limits.limiter import Limiter
from hapta.limits.logins import LoginGuard
from hapta.limits.rules import rules_of
from hapta.limits.whereabouts import Whereabouts
from hapta.model.clock import Clock
from hapta.model.exchange import Stage
from hapta.model.schema import fold_name
from hapta.observe.metrics import Metrics
from hapta.stages.limit import Limits
from hapta.stages.login import guard_logins


class Limiting:
    """All limits of one running gateway; none where ``ratelimit.is_enabled`` is false.

    Args:
        schema: makes one of a collection's names and its id.
        has_ended: whether a session is known to have ended.
    """

    def __init__(
        self,
        config: Config,
        *,
        schema: SchemaWatch,
        has_ended: Callable[[str], bool],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._schema = schema
        self._metrics = metrics
        self.limiter = Limiter(
            (), config.ratelimit.max_keys, clock, self._resolve, lambda: schema.snapshot.version
        )
        self.guard = LoginGuard(config.login, clock)
        self._whereabouts = Whereabouts(config.login.max_accounts, clock, has_ended)
        self.configure(config)
        metrics.limit_table_keys.set_function(lambda: len(self.limiter) + len(self.guard))

    def configure(self, config: Config) -> None:
        """Other limits for the stages that are asked for from now on. What was counted under a name that
        stays, stays counted."""
        ratelimit, limited = config.ratelimit, self._metrics.limited
        self._is_enabled = ratelimit.is_enabled
        self._guards_logins = ratelimit.is_enabled and config.login.is_enabled
        self.limiter.configure(rules_of(ratelimit, config.limits))
        self.guard.configure(config.login)
        self._limits = Limits(
            self.limiter, ratelimit, self._whereabouts, limited, collections_of(config.feeds)
        )
        self._guard_stage = guard_logins(
            self.guard,
            config.login,
            resolve=self._resolve,
            has_session=self._whereabouts.has_session,
            on_limited=limited,
        )

    def unmet(self) -> Sequence[str]:
        """What the operator should know: limits about collections that are not there."""
        return [
            f"[limits.{rule.name}] is about the collection {rule.collection}, which does not exist: it "
            "limits nothing until there is one"
            for rule in self.limiter.rules
            if rule.collection and self._schema.snapshot.resolve(rule.collection) is None
        ]

    @property
    def charger(self) -> Limits | None:
        """What charges requests; ``None`` where nothing is limited."""
        return self._limits if self._is_enabled else None

    def outer_stages(self) -> Sequence[Stage]:
        """Right behind identify."""
        return [self._limits.charge] if self._is_enabled else []

    def inner_stages(self) -> Sequence[Stage]:
        """Right behind the stages that hold and understand bodies."""
        stages: list[Stage] = [self._limits.charge_parts] if self._is_enabled else []
        return [*stages, self._guard_stage] if self._guards_logins else stages

    def _resolve(self, name_or_id: str) -> str:
        collection = self._schema.snapshot.resolve(name_or_id)
        return collection.id if collection is not None else fold_name(name_or_id)
