"""What a keeper of sessions did, in plain numbers: the fast path adds one and calls nobody."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class SessionCounts:
    """Counted since the start, by this process.

    Attributes:
        memory: tokens known without asking PocketBase.
        rows: sessions whose rows were read.
        proof: remembered sessions of which only PocketBase's token was proved again.
        refused: tokens answered with 401.
        replays: retired tokens used again.
        ended: sessions this process ended, by reason.
    """

    memory: int = 0
    rows: int = 0
    proof: int = 0
    refused: int = 0
    replays: int = 0
    ended: Counter[str] = field(default_factory=Counter)
