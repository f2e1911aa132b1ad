"""What one peer wants of us, and what it is told: as much as fits into one message at a time.

Whether a block is here is looked up when it is asked for, so that the answer does not wait behind the
blocks that are on their way; the block itself is read when its turn comes.
"""

import logging
from collections.abc import Sequence
from typing import Final, NoReturn, Protocol, final

from trio.lowlevel import checkpoint

from ipvm.errors import InvalidData, NotFound, Refused, Unavailable
from ipvm.exchange.bitswap.message import Message, Want, prefix_of
from ipvm.ipld import Block, BlockNotFound, Cid
from ipvm.limits import BITSWAP_REPLY_BYTES, BITSWAP_WANTS_READ_MAX

__all__ = ["Nothing", "Served", "Serving"]

_LOG: Final = logging.getLogger(__name__)


class Served(Protocol):
    """Where the blocks are that are served. A store is one."""

    async def get(self, cid: Cid) -> Block:
        """Return a block, or raise one of our errors."""
        ...

    async def has(self, cid: Cid) -> bool:
        """Whether it is here."""
        ...


@final
class Nothing:
    """What those serve who only fetch."""

    async def get(self, cid: Cid) -> NoReturn:
        """Raise BlockNotFound."""
        await checkpoint()
        raise BlockNotFound(cid)

    async def has(self, _cid: Cid) -> bool:
        """Say no."""
        await checkpoint()
        return False


@final
class Serving:
    """The wants of one peer.

    Args:
        store: Where the blocks are.
    """

    __slots__ = ("_blocks", "_haves", "_lacks", "_store")

    def __init__(self, store: Served) -> None:
        self._store = store
        self._blocks: dict[bytes, Cid] = {}
        self._haves: dict[bytes, None] = {}
        self._lacks: dict[bytes, None] = {}

    @property
    def has_blocks(self) -> bool:
        """Whether blocks are to be sent."""
        return bool(self._blocks)

    def clear(self) -> None:
        """Forget what is wanted."""
        self._blocks.clear()
        self._haves.clear()
        self._lacks.clear()

    async def hear(self, wants: Sequence[Want], *, full: bool = False) -> None:
        """Note what is wanted, and what is not any more.

        Raises:
            InvalidData: A CID is none.
        """
        if full:
            self.clear()
        for want in wants:
            if want.cancel:
                self._blocks.pop(want.cid, None)
            elif self._room > 0:
                await self._note(want, Cid.decode(want.cid))

    @property
    def _room(self) -> int:
        return BITSWAP_WANTS_READ_MAX - len(self._blocks) - len(self._haves) - len(self._lacks)

    async def _note(self, want: Want, cid: Cid) -> None:
        if await self._is_here(cid):
            if want.have:
                self._haves[want.cid] = None
            else:
                self._blocks[want.cid] = cid
        elif want.answer:
            self._lacks[want.cid] = None

    async def _is_here(self, cid: Cid) -> bool:
        try:
            return await self._store.has(cid)
        except (InvalidData, Refused, Unavailable) as failure:
            _LOG.warning("a block cannot be served: %s", failure)
            return False

    def answers(self) -> Message:
        """Give what is to be said without blocks, and forget it."""
        message = Message(haves=[*self._haves], lacks=[*self._lacks])
        self._haves.clear()
        self._lacks.clear()
        return message

    async def reply(self) -> Message:
        """Give the next blocks, `BITSWAP_REPLY_BYTES` or the one that goes beyond, and forget them."""
        message, size = Message(), 0
        while self._blocks and size < BITSWAP_REPLY_BYTES:
            key = next(iter(self._blocks))
            cid = self._blocks.pop(key)
            block = await self._read(cid)
            if block is None:
                message.lacks.append(key)
            else:
                message.blocks.append((prefix_of(cid), block.data))
                size += len(block.data)
        return message

    async def _read(self, cid: Cid) -> Block | None:
        try:
            return await self._store.get(cid)
        except NotFound:
            return None  # it went away meanwhile
        except (InvalidData, Refused, Unavailable) as failure:
            _LOG.warning("a block cannot be served: %s", failure)
            return None
