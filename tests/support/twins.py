"""Two PocketBases with the same rows, one asked directly, the other through Hapta.

What is done to one is done to the other, so answers stay equal for writes as well: everything that differs is
Hapta's doing, or one of the values no two servers share (:mod:`tests.support.normalise`).
"""

from dataclasses import dataclass
from datetime import datetime

from tests.support.hapta import Hapta
from tests.support.pocketbase import PocketBase


@dataclass(frozen=True)
class Twins:
    """Attributes:
    direct: asked without Hapta.
    behind: the one behind ``hapta``.
    """

    direct: PocketBase
    behind: PocketBase
    hapta: Hapta

    @property
    def urls(self) -> tuple[str, str]:
        """Base URL of each side: directly, through Hapta."""
        return self.direct.url, self.hapta.url

    @property
    def since(self) -> datetime:
        """Later than every date of the seed, earlier than everything written to either."""
        return min(self.direct.opened_at, self.behind.opened_at)
