"""How the embedded PocketBase tells the operator what happens: named events with fields, written
elsewhere."""

from typing import Protocol


class EventLog(Protocol):
    """Takes events; ``hapta.observe.Events`` is one. Each carries its sentence in the field ``message``."""

    def info(self, event: str, **fields: object) -> None:
        """As it should be."""

    def warning(self, event: str, **fields: object) -> None:
        """Works, but the operator should look at it."""

    def error(self, event: str, **fields: object) -> None:
        """Something does not work."""
