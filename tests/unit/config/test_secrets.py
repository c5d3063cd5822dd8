"""Secrets are taken by the operator's names and do not show themselves."""

import dataclasses

import pytest

from hapta.config import SECRET_FIELDS, Secrets
from hapta.config.secrets import meant_secret


def test_no_value_stands_in_the_repr() -> None:
    given = Secrets.from_names({name: f"hunter2 {name}" for name in SECRET_FIELDS})
    assert "hunter2" not in f"{given!r} {given} {[given]}"
    assert repr(Secrets(secret="x")) == "Secrets(secret=***)"
    assert repr(Secrets()) == "Secrets()"


def test_every_name_has_its_field_and_every_field_its_name() -> None:
    assert list(SECRET_FIELDS.values()) == [field.name for field in dataclasses.fields(Secrets)]
    given = Secrets.from_names({name: name for name in SECRET_FIELDS})
    assert all(getattr(given, field) == name for name, field in SECRET_FIELDS.items())


def test_an_empty_value_counts_as_not_given() -> None:
    assert Secrets.from_names({"Secret": "", "Other": "x"}) == Secrets()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("DATABASE_URL", "DatabaseURL"),
        ("admin-email", "AdminEmail"),
        ("AdminPasword", "AdminPassword"),
        ("Secert", "Secret"),
        ("SECRET_PREVIOUS", "SecretPrevious"),
        ("JWT_SECRET", None),
        ("SECRET_KEY", None),
        ("PORT", None),
        ("ServicePassword", None),
    ],
)
def test_a_misspelt_name_is_recognised_and_a_foreign_one_is_not(written: str, meant: str | None) -> None:
    assert meant_secret(written) == meant
