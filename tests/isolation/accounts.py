"""Worlds in which most answers show accounts and little else differs between callers: what is shared there is
laid over with everybody's own e-mail."""

from typing import Any

from tests.isolation.asks import Ask
from tests.isolation.tables import Field, Table, text
from tests.isolation.world import RULES, World

_DECOYS: tuple[Any, ...] = (
    None,
    {"id": "people000000000", "emailVisibility": False, "collectionName": "people"},
    {"expand": {"owner": {"id": "people000000001", "emailVisibility": False}}, "email": "a"},
    [{"email": '"', "emailVisibility": False, "id": "crew00000000000"}, '"expand":{"owner":{'],
)
"""Contents of JSON fields that look like an account."""
_OPEN = ("", "", "", "@request.auth.id != ''")
_TRIES = 12


class AccountsWorld(World):
    """A world with open rules, odd e-mails and JSON fields full of decoys."""

    def __init__(self, seed: int, number: int) -> None:
        super().__init__(seed, number)
        for word in ("people", "posts"):
            self.tables[word].fields.append(Field("data", "json", values=_DECOYS))
        self.tables["people"].fields.append(text("emailAddress"))

    def draw_rules(self, table: Table) -> None:
        """Rules under which answers are shared."""
        super().draw_rules(table)
        for name in RULES["view" if table.type == "view" else "base"][:2]:
            table.rules[name] = self.rng.choice(_OPEN)
        if table.type == "auth" and self.rng.random() < 0.8:
            table.rules["manageRule"] = None

    def email(self, row: str) -> str:
        """What has to be escaped by some and must not be here."""
        return f"o'{row}&ü@exämple.com"

    def draw_ask(self) -> Ask:
        """A read that may show accounts, mostly."""
        for _ in range(_TRIES):
            ask = super().draw_ask()
            shows = ask.collection in ("people", "crew") or "expand=" in ask.target
            if shows and not ask.is_projected:
                break
        return ask
