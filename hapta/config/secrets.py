"""What must not be seen: read from ``hapta.env``, ``.env`` and the environment, never from ``config.toml``.

The names are the operator's; the values stand in no ``repr``, no log and no error message.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields

SECRET_FIELDS: dict[str, str] = {
    "DatabaseURL": "database_url",
    "AdminEmail": "admin_email",
    "AdminPassword": "admin_password",
    "AdminToken": "admin_token",
    "Secret": "secret",
    "SecretPrevious": "secret_previous",
    "TestUserEmail": "test_user_email",
    "TestUserPassword": "test_user_password",
}
"""The operator's name of each secret, and the field of :class:`Secrets` that holds it."""


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Secrets:
    """The operator's secrets; ``None`` is "not given", which an empty text counts as.

    Attributes:
        database_url: address of a PocketBase to use; ``None`` means Hapta runs its own.
        admin_email: superuser at PocketBase, with admin_password.
        admin_password: its password.
        admin_token: instead of those two: an impersonate token of a superuser (works with MFA on).
        secret: what Hapta's keys are derived from.
        secret_previous: the one before it, during a rotation.
        test_user_email: a user ``hapta test`` may log in as, with test_user_password.
        test_user_password: its password.
    """

    database_url: str | None = None
    admin_email: str | None = None
    admin_password: str | None = None
    admin_token: str | None = None
    secret: str | None = None
    secret_previous: str | None = None
    test_user_email: str | None = None
    test_user_password: str | None = None

    @classmethod
    def from_names(cls, values: Mapping[str, str]) -> "Secrets":
        """Take what stands in ``values`` under the operator's names; anything else there is left alone."""
        given = {field: values[name] for name, field in SECRET_FIELDS.items() if values.get(name)}
        return cls(**given)

    def __repr__(self) -> str:
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        return f"Secrets({', '.join(f'{name}=***' for name in given)})"


def meant_secret(name: str) -> str | None:
    """The secret that a wrongly written ``name`` means: other letter case, underscores, a slip of the
    finger."""
    plain = {known.lower(): known for known in SECRET_FIELDS}
    near = difflib.get_close_matches(
        name.lower().replace("_", "").replace("-", ""), list(plain), n=1, cutoff=0.82
    )
    return plain[near[0]] if near else None
