"""The blocks of what a command is given: each that is asked for was read.

Who reads a file in order says what comes next. Those blocks are taken together with the one that is asked
for, where they are at hand, because many are verified on several cores. They count as read when they are
asked for, so the record does not tell what lies where.
"""

from collections.abc import Sequence
from typing import Final, final

from ipvm.ipld import Block, Cid
from ipvm.runtime.run import Run

__all__ = ["Reading"]

_AHEAD_BYTES_MAX: Final = 16 * 1024 * 1024


@final
class Reading:
    """What one run reads."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._expected: Sequence[Cid] = ()
        self._ahead: dict[Cid, Block] = {}

    def expect(self, cids: Sequence[Cid]) -> None:
        """Say what will be asked for next, most likely."""
        self._expected = cids

    def at_hand(self, cid: Cid) -> Block | None:
        """Give a block that was taken with another one."""
        block = self._ahead.pop(cid, None)
        if block is not None:
            self._run.note_read(cid)
        return block

    async def get(self, cid: Cid) -> Block:
        """Give a block."""
        return await self._run.open(cid)

    async def get_present(self, cids: Sequence[Cid]) -> Sequence[Block | None]:
        """Give blocks in the order of `cids`; None where `get` has to be asked."""
        absent = [cid for cid in cids if cid not in self._ahead]
        if absent:
            expected, self._expected = self._expected, ()
            wanted = list(dict.fromkeys([*absent, *expected]))
            self._take(wanted, await self._run.get_present(wanted))
        found = [self._ahead.pop(cid, None) for cid in cids]
        for cid, block in zip(cids, found, strict=True):
            if block is not None:
                self._run.note_read(cid)
        return found

    def _take(self, cids: Sequence[Cid], found: Sequence[Block | None]) -> None:
        if sum(len(block.data) for block in self._ahead.values()) > _AHEAD_BYTES_MAX:
            self._ahead.clear()  # they were expected in vain
        for cid, block in zip(cids, found, strict=True):
            if block is not None:
                self._ahead[cid] = block
