"""PocketBase's own tokens: proved once, then remembered, or nobody's."""

import asyncio

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.identity.proof import LAST_DATE, understand_auth_token, unverified_claims
from hapta.identity.raw import MAX_TOKEN_CHARS, AdoptedTokens, TooManyProofs, owner_of
from hapta.model.clock import ManualClock
from hapta.model.errors import UpstreamLost
from hapta.model.identity import Identity
from tests.support.session_double import USERS, Database, FeedDouble, ProverDouble, StreamsDouble


def token_of(record: str = "ada", *, exp: object = 2**31, key: str = "p" * 32, **claims: object) -> str:
    """As PocketBase writes them."""
    said = {"collectionId": USERS, "exp": exp, "id": record, "refreshable": True, "type": "auth", **claims}
    return jwt.encode(said, key, algorithm="HS256")


class Adopting:
    """Adopted tokens with doubles around them."""

    def __init__(self, allowance: int = 100) -> None:
        self.clock = ManualClock()
        self.database = Database()
        self.prover = ProverDouble(self.database)
        self.feed = FeedDouble()
        self.streams = StreamsDouble()
        self.left = allowance
        self.asked: list[str] = []
        self.tokens = AdoptedTokens(
            self.prover,  # type: ignore[arg-type]
            self.feed,
            self.clock,
            is_auth_collection=lambda collection: collection == USERS,
            take_proof=self.take,
            has_stream=self.streams.has,
            on_ended=self.streams.end,
        )

    def take(self, address: str) -> bool:
        self.asked.append(address)
        self.left -= 1
        return self.left >= 0

    def known(self, record: str = "ada") -> str:
        """A token PocketBase takes."""
        token = token_of(record)
        self.database.living[token] = (USERS, record)
        return token

    async def who(self, token: str) -> Identity | None:
        return await self.tokens.resolve(token, "127.0.0.1")


@pytest.fixture
async def adopting() -> Adopting:
    return Adopting()


async def test_a_living_token_is_adopted_and_recalled(adopting: Adopting) -> None:
    token = adopting.known()
    identity = await adopting.who(token)
    assert identity is not None
    assert (identity.record, identity.session, identity.upstream_token) == ("ada", None, token)
    assert adopting.tokens.recall(token) is identity
    assert await adopting.who(token) is identity
    assert adopting.prover.asked == 1


async def test_a_dead_token_is_nobodys_and_asked_about_once(adopting: Adopting) -> None:
    token = token_of("ada", key="q" * 32)
    assert [await adopting.who(token) for _ in range(5)] == [None] * 5
    assert adopting.prover.asked == 1


async def test_a_token_that_lives_for_another_record_is_nobodys(adopting: Adopting) -> None:
    token = token_of("ada")
    adopting.database.living[token] = (USERS, "ben")
    assert await adopting.who(token) is None


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param("a.b.c", id="no JWT"),
        pytest.param(token_of(exp=1), id="expired"),
        pytest.param(token_of(exp=0), id="expired in 1970"),
        pytest.param(token_of(exp=-1), id="a negative expiry"),
        pytest.param(token_of(exp="never"), id="a text for an expiry"),
        pytest.param(token_of(exp=None), id="no expiry"),
        pytest.param(token_of(exp=float("nan")), id="an expiry that is no number"),
        pytest.param(token_of(exp=float("inf")), id="an endless expiry"),
        pytest.param(token_of(type="file"), id="a file token"),
        pytest.param(token_of(type=["auth"]), id="a list of types"),
        pytest.param(token_of(collectionId="pbc_posts000001"), id="not an auth collection"),
        pytest.param(token_of(collectionId=["a"]), id="a list of collections"),
        pytest.param(token_of(id=7), id="a number for a record"),
        pytest.param(token_of("a" * MAX_TOKEN_CHARS), id="oversized"),
        pytest.param("eyJhbGciOiJIUzI1NiJ9." + "W1tb" * 300 + ".x", id="a deeply nested payload"),
        pytest.param(token_of()[:-20] + "é" * 20, id="other letters"),
        pytest.param(token_of() + "\udcff", id="bytes that are no text"),
    ],
)
async def test_what_cannot_be_living_costs_no_question(adopting: Adopting, token: str) -> None:
    assert await adopting.who(token) is None or adopting.prover.asked <= 1
    if "é" not in token:
        assert adopting.prover.asked == 0
        assert adopting.asked == []


@pytest.mark.parametrize("change", [1, 2, 3])
def test_a_token_with_other_unused_bits_at_its_end_is_no_mere_text(change: int) -> None:
    """PocketBase takes it for the same token: 43 characters are two bits more than the signature has."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = token_of()
    other = token[:-1] + letters[letters.index(token[-1]) ^ change]
    assert unverified_claims(other) == unverified_claims(token) is not None


@pytest.mark.parametrize("at", [4, 60])
def test_a_line_break_in_it_makes_no_mere_text_of_a_token(at: int) -> None:
    """Go's base64 passes over line breaks; a query parameter can hold one."""
    token = token_of()
    assert unverified_claims(f"{token[:at]}\n{token[at:]}") == unverified_claims(token)


def test_deeply_nested_claims_are_no_crash() -> None:
    payload = jwt.utils.base64url_encode(b"[" * 200_000).decode()
    assert unverified_claims(f"eyJhbGciOiJIUzI1NiJ9.{payload}.x") is None


@given(exp=st.integers(0, 10**400) | st.floats(0, allow_nan=False, allow_infinity=False))
def test_no_expiry_is_too_large(exp: float) -> None:
    found = understand_auth_token(token_of(exp=exp))
    assert found is not None
    assert found.exp == min(int(exp), LAST_DATE)


async def test_a_dead_token_is_asked_about_again_after_a_minute(adopting: Adopting) -> None:
    token = token_of()
    assert await adopting.who(token) is None
    adopting.clock.advance(61)
    adopting.database.living[token] = (USERS, "ada")
    assert await adopting.who(token) is not None


async def test_an_address_proves_no_more_than_its_allowance() -> None:
    adopting = Adopting(allowance=3)
    for n in range(3):
        assert await adopting.who(token_of(f"user{n}")) is None
    with pytest.raises(TooManyProofs) as caught:
        await adopting.who(token_of("user4"))
    assert caught.value.status == 429
    assert int(caught.value.headers["Retry-After"]) > 0
    assert adopting.prover.asked == 3


async def test_proving_again_after_a_doubt_takes_nothing_from_the_allowance() -> None:
    adopting = Adopting(allowance=1)
    token = adopting.known()
    for _ in range(5):
        assert await adopting.who(token)
        adopting.tokens.everything_changed()
    assert adopting.asked == ["127.0.0.1"]


async def test_an_expired_token_is_no_longer_adopted(adopting: Adopting) -> None:
    token = token_of(exp=int(adopting.clock.now()) + 60)
    adopting.database.living[token] = (USERS, "ada")
    assert await adopting.who(token)
    adopting.clock.advance(60)
    assert adopting.tokens.recall(token) is None
    assert await adopting.who(token) is None


@pytest.mark.parametrize("how", ["record", "collection", "everybody", "everything", "epoch"])
async def test_a_lost_identity_is_noticed_before_the_next_answer(adopting: Adopting, how: str) -> None:
    token, other = adopting.known("ada"), adopting.known("ben")
    assert await adopting.who(token)
    assert await adopting.who(other)
    adopting.database.lose_identity("ada")

    def move_epoch() -> None:
        adopting.feed.epoch += 1

    {
        "record": lambda: adopting.tokens.identity_changed(USERS, "ada"),
        "collection": lambda: adopting.tokens.identity_changed(USERS, None),
        "everybody": adopting.tokens.everybody_changed,
        "everything": adopting.tokens.everything_changed,
        "epoch": move_epoch,
    }[how]()
    assert adopting.tokens.recall(token) is None
    assert await adopting.who(token) is None
    assert await adopting.who(other)


async def test_a_doubt_during_the_proof_asks_again(adopting: Adopting) -> None:
    token = adopting.known("ada")
    adopting.prover.gate = asyncio.Event()
    asking = asyncio.ensure_future(adopting.who(token))
    for _ in range(4):
        await asyncio.sleep(0)
    adopting.database.lose_identity("ada")
    adopting.tokens.identity_changed(USERS, "ada")
    adopting.prover.gate.set()
    assert await asking is None


async def test_doubts_without_end_keep_nobody_from_being_answered(adopting: Adopting) -> None:
    token = adopting.known("ada")
    lives = adopting.prover.lives

    async def in_doubt(*arguments: str) -> bool:
        adopting.tokens.everybody_changed()
        return await lives(*arguments)

    adopting.prover.lives = in_doubt  # type: ignore[method-assign]
    assert await adopting.who(token)
    assert adopting.tokens.recall(token) is None


async def test_who_asks_after_a_doubt_is_not_answered_by_a_proof_from_before_it(
    adopting: Adopting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hapta.identity.raw.LOOKS_IN_DOUBT", 0)
    token = adopting.known("ada")
    adopting.prover.gate = asyncio.Event()
    before = asyncio.ensure_future(adopting.who(token))
    for _ in range(4):
        await asyncio.sleep(0)
    adopting.database.lose_identity("ada", tells=False)
    adopting.tokens.identity_changed(USERS, "ada")
    after = asyncio.ensure_future(adopting.who(token))
    await asyncio.sleep(0)
    adopting.prover.gate.set()
    assert await before
    assert await after is None


async def test_a_stream_of_an_adopted_token_ends_with_its_identity(adopting: Adopting) -> None:
    token = adopting.known("ada")
    identity = await adopting.who(token)
    assert identity is not None
    adopting.streams.owners.add(owner_of(identity))
    adopting.database.lose_identity("ada")
    adopting.tokens.identity_changed(USERS, "ada")
    await adopting.tokens._tasks.finish(5.0)
    assert adopting.streams.owners == set()


async def test_the_mark_of_a_stream_does_not_show_the_token(adopting: Adopting) -> None:
    token = adopting.known("ada")
    identity = await adopting.who(token)
    assert identity is not None
    assert not any(part in owner_of(identity) for part in token.split("."))
    assert token not in repr(identity)


async def test_a_question_without_answer_is_asked_again(adopting: Adopting) -> None:
    token = adopting.known("ada")
    adopting.prover.error = UpstreamLost()
    with pytest.raises(UpstreamLost):
        await adopting.who(token)
    adopting.prover.error = None
    assert await adopting.who(token)


async def test_without_a_feed_a_proof_holds_for_a_second(adopting: Adopting) -> None:
    token = adopting.known("ada")
    adopting.feed.is_live = False
    assert await adopting.who(token)
    adopting.clock.advance(0.9)
    assert await adopting.who(token)
    assert adopting.prover.asked == 1
    adopting.clock.advance(0.2)
    assert await adopting.who(token)
    assert adopting.prover.asked == 2
    assert adopting.feed.touched > 0
