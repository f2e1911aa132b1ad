"""Pass a file on while it is read: in order, in few pieces of memory, and up to where it breaks."""

from collections.abc import AsyncIterator, Sequence

import pytest
import trio
import trio.testing

from ipvm.errors import NotFound
from ipvm.files.pouring import Piece, pour

MEGABYTE = bytes(1024 * 1024)


async def pieces(
    count: int, taken: list[int], failure: Exception | None = None
) -> AsyncIterator[bytes]:
    for number in range(count):
        await trio.lowlevel.checkpoint()
        taken.append(number)
        yield b"%04d" % number + MEGABYTE
    if failure is not None:
        raise failure


async def test_pieces_are_written_in_order_while_a_few_more_are_read() -> None:
    taken: list[int] = []
    written: list[bytes] = []
    ahead: list[int] = []

    async def write(batch: Sequence[Piece]) -> None:
        await trio.testing.wait_all_tasks_blocked()
        written.extend(bytes(piece[:4]) for piece in batch)
        ahead.append(len(taken) - len(written))

    await pour(pieces(50, taken), write)
    assert written == [b"%04d" % number for number in range(50)]
    assert max(ahead) == 4


async def test_what_stands_before_a_failure_is_written() -> None:
    written: list[Piece] = []

    async def write(batch: Sequence[Piece]) -> None:
        await trio.lowlevel.checkpoint()
        written.extend(batch)

    failure = NotFound("the sixth")
    with pytest.raises(NotFound) as caught:
        await pour(pieces(5, [], failure), write)
    assert caught.value is failure
    assert len(written) == 5


async def test_a_failure_to_write_ends_it() -> None:
    taken: list[int] = []

    async def write(_: Sequence[Piece]) -> None:
        await trio.lowlevel.checkpoint()
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await pour(pieces(1000, taken), write)
    assert len(taken) < 20
