"""Go through a store, however big, and find what has rotted in it.

A walk takes the keys page by page and holds nothing open in between, so it may be left at any
moment, and the store goes on serving and being written meanwhile.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, Self, final

from ipvm.errors import InvalidData, NotFound
from ipvm.ipld import RAW, Cid
from ipvm.store.blockstore import Blockstore, Enumerable, Inspectable

_PAGE: Final = 1000
_CID_PREFIX: Final = bytes((1, RAW))
"""Version and codec; with a multihash behind it, a CID."""


@final
class Walk:
    """`async for multihash in Walk(store)`: every key, once, in ascending order of its bytes."""

    def __init__(self, store: Enumerable) -> None:
        self._store = store
        self._page: tuple[bytes, ...] = ()
        self._next = 0
        self._last = b""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._next == len(self._page):
            self._page = tuple(await self._store.multihashes(self._last, _PAGE))
            self._next = 0
        if not self._page:
            raise StopAsyncIteration
        self._last = self._page[self._next]
        self._next += 1
        return self._last


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something in a store that is not as it was put there.

    Attributes:
        cid: Of the block, as raw bytes; None if the fault is not about one block.
        problem: What is wrong.
    """

    cid: Cid | None
    problem: str


class Checkable(Blockstore, Enumerable, Inspectable, Protocol):
    """A store that can be checked from end to end."""


@final
class Check:
    """`async for fault in Check(store)`: verify the structure, then every block.

    When the structure is damaged, its flaws are the faults and no block is read: reading through a
    damaged structure could end the process.

    Args:
        store: What to check. It may be used meanwhile.
        progress: Called after each block with the number of blocks and bytes verified so far.

    Attributes:
        blocks: Blocks verified so far, those with a fault included.
        block_bytes: Bytes of those that were sound.
    """

    def __init__(
        self, store: Checkable, progress: Callable[[int, int], None] = lambda *_: None
    ) -> None:
        self.blocks = 0
        self.block_bytes = 0
        self._store = store
        self._progress = progress
        self._walk = Walk(store)
        self._flaws: deque[str] | None = None
        self._sound = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Fault:
        if self._flaws is None:
            flaws = await self._store.flaws()
            self._flaws = deque(flaws)
            self._sound = not flaws
        if self._flaws:
            return Fault(cid=None, problem=self._flaws.popleft())
        while self._sound:
            fault = await self._verify(await anext(self._walk))
            self._progress(self.blocks, self.block_bytes)
            if fault is not None:
                return fault
        raise StopAsyncIteration

    async def _verify(self, multihash: bytes) -> Fault | None:
        self.blocks += 1
        cid: Cid | None = None
        try:
            cid = Cid.decode(_CID_PREFIX + multihash)
            self.block_bytes += len((await self._store.get(cid)).data)
        except NotFound:  # deleted since the page was taken
            self.blocks -= 1
        except InvalidData as fault:
            return Fault(cid=cid, problem=str(fault))
        return None
