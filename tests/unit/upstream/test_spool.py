"""Bodies held whole, in memory or in a file, within one budget."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapta.model.errors import BodyTooLarge, Overloaded
from hapta.model.exchange import ClientGone
from hapta.upstream.spool import CHUNK_BYTES, SpoolBudget, SpooledBody, spool


class Arriving:
    """A body that arrives in given pieces, and may break off."""

    def __init__(self, *pieces: bytes, length: int | None = None, breaks: bool = False) -> None:
        self._pieces = pieces
        self._breaks = breaks
        self.length = length
        self.was_read = False

    async def chunks(self) -> AsyncIterator[bytes]:
        self.was_read = True
        for piece in self._pieces:
            yield piece
        if self._breaks:
            raise ClientGone


async def whole(body: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in body])


@pytest.mark.parametrize("sizes", [(), (1,), (10,), (4, 6), (5, 6), (11,), (10, 1), (3, 3, 3, 3)])
async def test_a_body_comes_out_as_it_went_in_and_as_often_as_wanted(
    tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    pieces = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
    budget = SpoolBudget(100)
    held = await spool(Arriving(*pieces), budget, memory_bytes=10, directory=str(tmp_path))
    expected = b"".join(pieces)
    assert held.length == budget.used_bytes == len(expected)
    assert (held.in_memory == expected) if len(expected) <= 10 else (held.in_memory is None)
    assert [await whole(held.chunks()) for _ in range(2)] == [expected, expected]
    held.close()
    assert budget.used_bytes == 0


@pytest.mark.parametrize("memory_bytes", [10, 1_000_000], ids=["in a file", "in memory"])
async def test_several_slices_of_a_body_are_read_at_once(tmp_path: Path, memory_bytes: int) -> None:
    content = os.urandom(700_000)
    held = await spool(
        Arriving(content), SpoolBudget(10**7), memory_bytes=memory_bytes, directory=str(tmp_path)
    )
    wanted = [(0, 700_000), (5, 0), (300_000, 350_000), (699_990, 100), (800_000, 5)]
    readers = [held.slice(start, length) for start, length in wanted]
    found = [b""] * len(readers)
    for _ in range(4):
        for at, reader in enumerate(readers):
            found[at] += await anext(reader, b"")
    assert found == [content[start : start + length] for start, length in wanted]
    held.close()


async def test_a_large_body_is_read_in_pieces_from_a_file_without_a_name(tmp_path: Path) -> None:
    pieces = [bytes([n]) * 100_000 for n in range(20)]
    budget = SpoolBudget(10_000_000)
    held = await spool(Arriving(*pieces), budget, memory_bytes=50_000, directory=str(tmp_path))
    assert not any(os.scandir(tmp_path))
    read = [piece async for piece in held.chunks()]
    assert max(map(len, read)) == CHUNK_BYTES
    assert b"".join(read) == b"".join(pieces)
    held.close()


async def test_what_can_never_fit_is_413_and_what_does_not_fit_now_503_before_a_byte_is_read() -> None:
    budget = SpoolBudget(100)
    for length, error in ((101, BodyTooLarge), (61, Overloaded)):
        assert budget.take(40)
        body = Arriving(b"x", length=length)
        with pytest.raises(error):
            await spool(body, budget, memory_bytes=10, directory=None)
        assert not body.was_read
        budget.give_back(40)
    assert budget.used_bytes == 0


@pytest.mark.parametrize(("taken", "error"), [(0, BodyTooLarge), (60, Overloaded)])
async def test_a_body_that_outgrows_the_budget_on_its_way_gives_everything_back(
    tmp_path: Path, taken: int, error: type[Exception]
) -> None:
    budget = SpoolBudget(100)
    assert budget.take(taken)
    body = Arriving(*[b"x" * 10] * (11 if taken == 0 else 5))
    with pytest.raises(error):
        await spool(body, budget, memory_bytes=25, directory=str(tmp_path))
    assert budget.used_bytes == taken


async def test_one_client_may_hold_three_quarters_and_others_the_rest() -> None:
    budget = SpoolBudget(100)

    async def hold(size: int, owner: int, *, announced: bool = True) -> SpooledBody:
        body = Arriving(b"x" * size, length=size if announced else None)
        return await spool(body, budget, memory_bytes=1000, directory=None, owner=owner)

    for announced in (True, False):
        with pytest.raises(BodyTooLarge):
            await hold(76, 1, announced=announced)
        greedy = [await hold(25, 1) for _ in range(3)]
        with pytest.raises(Overloaded):
            await hold(1, 1, announced=announced)
        other = await hold(25, 2)
        with pytest.raises(Overloaded):
            await hold(1, 3, announced=announced)
        for held in (*greedy, other):
            held.close()
        assert budget.used_bytes == 0
        assert not budget._by_owner


async def test_a_body_that_breaks_off_gives_everything_back(tmp_path: Path) -> None:
    budget = SpoolBudget(1000)
    body = Arriving(b"x" * 50, breaks=True)
    with pytest.raises(ClientGone):
        await spool(body, budget, memory_bytes=10, directory=str(tmp_path))
    assert budget.used_bytes == 0


async def test_a_folder_that_is_gone_is_an_error_and_gives_everything_back(tmp_path: Path) -> None:
    budget = SpoolBudget(1000)
    with pytest.raises(FileNotFoundError):
        await spool(Arriving(b"x" * 50), budget, memory_bytes=10, directory=str(tmp_path / "gone"))
    assert budget.used_bytes == 0


async def test_closing_twice_gives_back_once() -> None:
    budget = SpoolBudget(100)
    held = await spool(Arriving(b"x" * 50), budget, memory_bytes=100, directory=None)
    assert budget.take(20)
    held.close()
    held.close()
    assert budget.used_bytes == 20


@given(st.lists(st.integers(-50, 50), max_size=50))
def test_the_budget_never_holds_more_than_its_total_and_tells_each_change(moves: list[int]) -> None:
    told = [0]
    budget = SpoolBudget(100, told.append)
    for move in moves:
        before = budget.used_bytes
        if move < 0:
            budget.give_back(min(-move, before))
        else:
            assert budget.take(move) == (before + move <= 100)
        assert 0 <= budget.used_bytes <= 100
        assert told[-1] == budget.used_bytes
