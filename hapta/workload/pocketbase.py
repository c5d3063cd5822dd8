"""A PocketBase of our own for one run: embedded as ``hapta serve`` does it, its data gone afterwards."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hapta.config.schema import LogConfig
from hapta.embedded import EmbeddedOptions, EmbeddedPocketBase, GivenSecrets, prepare
from hapta.model.clock import Clock
from hapta.observe.events import Events


@dataclass(frozen=True, slots=True)
class PocketBase:
    """Where it answers and who its superuser is."""

    url: str
    data_dir: Path
    email: str
    password: str = field(repr=False)


@asynccontextmanager
async def running_pocketbase(
    home: Path, given: GivenSecrets, environ: Mapping[str, str], clock: Clock
) -> AsyncIterator[PocketBase]:
    """A PocketBase with an empty database, serving until the block is left.

    Args:
        home: an empty directory for its data and its log, ``pocketbase.log``.
        given: its superuser; what is missing is made up.
        environ: of this process.
        clock: for its supervisor.

    Raises:
        OperatorError: it does not start.
    """
    options = EmbeddedOptions.resolve(home, environ=environ)
    with (home / "pocketbase.log").open("wb") as log:
        events = Events(LogConfig(), log, clock)
        prepared = prepare(options, given, clock, events)
        embedded = EmbeddedPocketBase(prepared, clock, events)
        url = await embedded.start()
        try:
            operator = prepared.operator
            yield PocketBase(url, options.data_dir, operator.email, operator.password)
        finally:
            await embedded.stop()
