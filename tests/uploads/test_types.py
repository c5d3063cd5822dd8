"""What Hapta calls a type, PocketBase calls the same; where Hapta does not know, it says so."""

import pytest

from hapta.uploads import families
from hapta.uploads.sniff import READ_BYTES, sniff
from tests.uploads.corpus import HONEST, ODD, POLYGLOTS
from tests.uploads.support import TypeOracle

EVERYTHING = {**{name: data for name, (data, _) in HONEST.items()}, **POLYGLOTS, **ODD}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_file_has_the_type_pocketbase_sees(name: str, type_oracle: TypeOracle) -> None:
    data, type_ = HONEST[name]
    kind = sniff(data)
    assert kind.type == type_
    seen = type_oracle.names(data)
    assert type_ in seen or seen & kind.narrower
    if type_ in seen:
        assert families.aliases(type_) == seen


@pytest.mark.parametrize("name", EVERYTHING)
def test_no_name_pocketbase_knows_a_file_by_is_missing(name: str, type_oracle: TypeOracle) -> None:
    kind = sniff(EVERYTHING[name])
    seen = type_oracle.names(EVERYTHING[name])
    assert kind.names is None or seen <= kind.names


def test_pocketbase_looks_at_as_many_bytes(type_oracle: TypeOracle) -> None:
    beyond = b" " * (READ_BYTES - 13) + b"<!DOCTYPE html>"
    assert "text/html" not in type_oracle.names(beyond)
    assert "text/html" in type_oracle.names(beyond[3:])
