"""Pass the bytes of a file on while the next of them are read and verified."""

from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import trio

__all__ = ["Piece", "pour"]

_TOGETHER_BYTES: Final = 4 * 1024 * 1024

Piece: TypeAlias = memoryview | bytes


async def pour(
    pieces: AsyncIterable[Piece], write: Callable[[Sequence[Piece]], Awaitable[None]]
) -> None:
    """Give all pieces to `write`, in their order, some of them at a time.

    What stands before a failure is written before it is raised. In memory are the pieces that are
    being written and as many that are read meanwhile, some 4 MiB each.

    Args:
        pieces: The pieces.
        write: Takes them; it is called again when it has returned.

    Raises:
        Exception: What `pieces` and `write` raise.
    """
    failures: list[Exception] = []
    send, receive = trio.open_memory_channel[list[Piece]](0)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read, pieces, send, failures)
        async for batch in receive:
            try:
                await write(batch)
            except Exception as failure:  # noqa: BLE001 - raised below, not in a group
                failures.insert(0, failure)
                nursery.cancel_scope.cancel()
                break
    if failures:
        raise failures[0]


async def _read(
    pieces: AsyncIterable[Piece],
    send: trio.MemorySendChannel[list[Piece]],
    failures: list[Exception],
) -> None:
    async with send:
        batch: list[Piece] = []
        size = 0
        try:
            async for piece in pieces:
                batch.append(piece)
                size += len(piece)
                if size >= _TOGETHER_BYTES:
                    await send.send(batch)
                    batch, size = [], 0
        except Exception as failure:  # noqa: BLE001 - it is raised when the rest is written
            failures.append(failure)
        if batch:
            await send.send(batch)
