"""Verify what was read: at once if it is little, and in several threads if it is much.

Hashing lets other Python threads run, so that a second core halves the time. What is given to a
thread takes as long to hash as ten threads to start.
"""

import os
from collections.abc import Sequence
from typing import Final, TypeAlias

import trio

from ipvm.errors import InvalidData
from ipvm.ipld import Block, Cid

__all__ = ["verified"]

_THREADS: Final = max(1, min(4, os.cpu_count() or 1))
_SHARE_BYTES: Final = 1024 * 1024
"""Bytes from which on a thread pays."""

_Read: TypeAlias = tuple[Cid, bytes | None]


async def verified(read: Sequence[_Read]) -> list[Block | None]:
    """Make blocks of what was read, in its order; None where nothing was, or it is wrong.

    A checkpoint, if it takes threads.
    """
    size = sum(len(data) for _, data in read if data is not None)
    if size < 2 * _SHARE_BYTES or _THREADS == 1:
        return [_block(each) for each in read]
    found: list[Block | None] = [None] * len(read)
    threads = min(_THREADS, size // _SHARE_BYTES)

    def work(first: int) -> None:
        for place in range(first, len(read), threads):
            found[place] = _block(read[place])

    async with trio.open_nursery() as nursery:
        for first in range(threads):
            nursery.start_soon(trio.to_thread.run_sync, work, first)
    return found


def _block(read: _Read) -> Block | None:
    cid, data = read
    try:
        if cid.is_identity:
            return Block(cid, cid.digest)
        return None if data is None else Block(cid, data)
    except InvalidData:
        return None
