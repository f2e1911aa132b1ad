"""The blocks of what a command is given: each that is asked for was read.

Who reads a file in order says what comes next. The first half of that is taken together with the block
that is asked for, where it is at hand, because many are verified on several cores; the second half while
the command works on the first. They count as read when they are asked for, so the record does not tell
what lies where.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, final

import trio

from ipvm.errors import IpvmError
from ipvm.ipld import Block, Cid
from ipvm.runtime.run import Run

__all__ = ["Reading"]

_AHEAD_BYTES_MAX: Final = 16 * 1024 * 1024
_TOGETHER: Final = 7
"""Blocks that are taken together with one that is asked for."""


@final
class Reading:
    """What one run reads."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._expected: Sequence[Cid] = ()
        self._ahead: dict[Cid, Block] = {}
        self._under_way: dict[Cid, trio.Event] = {}
        self._nursery: trio.Nursery | None = None

    @asynccontextmanager
    async def ahead(self) -> AsyncIterator[None]:
        """Read ahead while the context lasts."""
        failure: Exception | None = None
        async with trio.open_nursery() as self._nursery:
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised below: a nursery would wrap it
                failure = error
            finally:
                self._nursery.cancel_scope.cancel()
        self._nursery = None
        if failure is not None:
            raise failure

    def expect(self, cids: Sequence[Cid]) -> None:
        """Say what will be asked for next, most likely."""
        self._expected = cids

    def at_hand(self, cid: Cid) -> Block | None:
        """Give a block that was taken ahead. The command may ask from its own thread."""
        block = self._ahead.pop(cid, None)
        if block is not None:
            self._run.note_read(cid)
        return block

    async def get(self, cid: Cid) -> Block:
        """Give a block."""
        return await self._run.open(cid)

    async def get_present(self, cids: Sequence[Cid]) -> Sequence[Block | None]:
        """Give blocks in the order of `cids`; None where `get` has to be asked."""
        for cid in cids:
            if cid in self._under_way:
                await self._under_way[cid].wait()
        absent = [cid for cid in cids if cid not in self._ahead]
        expected, self._expected = self._new(self._expected), ()
        if absent:
            await self._take([*absent, *expected[:_TOGETHER]])
            expected = expected[_TOGETHER:]
        if expected and self._nursery is not None:
            self._nursery.start_soon(self._take_ahead, expected)
        return [self.at_hand(cid) for cid in cids]

    def _new(self, cids: Sequence[Cid]) -> list[Cid]:
        known = self._ahead.keys() | self._under_way.keys()
        return [cid for cid in dict.fromkeys(cids) if cid not in known]

    async def _take_ahead(self, cids: Sequence[Cid]) -> None:
        done = trio.Event()
        self._under_way |= dict.fromkeys(cids, done)
        try:
            with suppress(IpvmError):  # who asks for one of them meets it
                await self._take(cids)
        finally:
            for cid in cids:
                del self._under_way[cid]
            done.set()

    async def _take(self, cids: Sequence[Cid]) -> None:
        if sum(len(block.data) for block in tuple(self._ahead.values())) > _AHEAD_BYTES_MAX:
            self._ahead.clear()  # they were expected in vain
        wanted = list(dict.fromkeys(cids))
        for cid, block in zip(wanted, await self._run.get_present(wanted), strict=True):
            if block is not None:
                self._ahead[cid] = block
