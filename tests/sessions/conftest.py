"""One PocketBase and one Hapta for each module, and accounts that no other test uses."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.sessions.support import Account, Ground, hash_cheaply
from tests.support.hapta import Hapta
from tests.support.pocketbase import from_template

_numbers = itertools.count(1)
MakeAccount = Callable[..., Account]


@pytest.fixture(scope="module")
def ground(pocketbase_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A PocketBase of this module's own, a Hapta in front of it, and the way to both."""
    with ExitStack() as closing:
        pocketbase = from_template(pocketbase_template, tmp_path_factory.mktemp("pocketbase"))
        closing.callback(pocketbase.close)
        hash_cheaply(pocketbase, "users", "staff", "_superusers")
        hapta = Hapta(tmp_path_factory.mktemp("hapta"), pocketbase.url)
        closing.callback(hapta.stop)
        hapta.start()
        yield closing.enter_context(Ground(pocketbase, hapta))


@pytest.fixture
def make_account(ground: Ground) -> MakeAccount:
    """``make_account("users", name="Eve")``: a new auth record, made directly in PocketBase."""

    def make(collection: str = "users", **fields: object) -> Account:
        return ground.make_account(f"person{next(_numbers)}@example.com", collection, **fields)

    return make


@pytest.fixture
def account(make_account: MakeAccount) -> Account:
    """A new user."""
    return make_account()
