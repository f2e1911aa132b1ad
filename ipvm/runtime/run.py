"""What the invocations of one call tree share: what was read, what was made, what went wrong here.

A function called by another at run time has a store and fuel of its own, but reads and keeps blocks
with its caller, and is part of the caller's receipt.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, final

import trio

from ipvm.errors import Denied, IpvmError, LimitExceeded, NotFound, Unavailable
from ipvm.exchange import BlockService
from ipvm.ipld import Block, BlockMismatch, Cid
from ipvm.limits import Limits
from ipvm.wasm import HOW_TO_RAISE

__all__ = ["LogSink", "Run"]

LogSink = Callable[[Cid, str], None]
"""Takes what a guest says by `ipvm.log`, with the CID it was linked by; on any thread."""

SHARED_LIMITS: Final = frozenset({"call_depth", "memory", "open_blocks", "table_elements"})
"""Limits that every runner has at the same value: meeting one is part of the answer."""

_CONDITIONS: Final = (NotFound, Unavailable, Denied, BlockMismatch, LimitExceeded)

KEPT_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of new blocks that wait in memory before they are stored."""


@final
class Run:
    """One call tree. Whoever begins it releases it in the end."""

    def __init__(self, blocks: BlockService, on_log: LogSink, *, limits: Limits) -> None:
        self._made_bytes_max = limits.made_bytes_max
        self.on_log = on_log
        self.reads: set[Cid] = set()
        self.obstacle: IpvmError | None = None
        """What the guest met that is the runner's condition. A result after it has no receipt."""
        self._blocks = blocks
        self._kept: dict[bytes, Block] = {}
        self._kept_bytes = 0
        self._made_bytes = 0
        self._stored: set[bytes] = set()
        self._lease: AbstractAsyncContextManager[None] | None = None

    def note(self, condition: IpvmError) -> None:
        """Note what a guest learns of that another runner might not meet."""
        if isinstance(condition, _CONDITIONS):
            shared = isinstance(condition, LimitExceeded) and condition.limit in SHARED_LIMITS
            if not shared:
                self.obstacle = self.obstacle or condition

    async def open(self, cid: Cid) -> Block:
        """Give a block that a guest asked for."""
        self.note_read(cid)
        try:
            return await self.get(cid)
        except IpvmError as error:
            self.note(error)
            raise

    def note_read(self, cid: Cid) -> None:
        """Note that a guest asked for what is not of its own making."""
        if cid.multihash not in self._kept and cid.multihash not in self._stored:
            self.reads.add(cid)

    async def get(self, cid: Cid) -> Block:
        """Give a block: one that was made during the run, or one from outside."""
        made = self._kept.get(cid.multihash)
        return Block(cid, made.data) if made is not None else await self._blocks.get(cid)

    async def get_present(self, cids: Sequence[Cid]) -> Sequence[Block | None]:
        """Give what is at hand, in the order of `cids`; None where `get` has to be asked."""
        if self._kept.keys() & {cid.multihash for cid in cids}:
            await trio.lowlevel.checkpoint()
            return [None] * len(cids)
        return await self._blocks.get_present(cids)

    async def keep(self, block: Block) -> None:
        """Take a block that a guest made.

        Raises:
            LimitExceeded: The call made more bytes than this runner keeps for one.
        """
        if block.cid.multihash not in self._kept and block.cid.multihash not in self._stored:
            self._made_bytes += len(block.data)
            if self._made_bytes > self._made_bytes_max:
                raise LimitExceeded("made_bytes_max", self._made_bytes_max, how=HOW_TO_RAISE)
            self._kept[block.cid.multihash] = block
            self._kept_bytes += len(block.data)
            if self._kept_bytes > KEPT_BYTES_MAX:
                await self._store_early()

    @property
    def made_bytes_left(self) -> int:
        """Bytes that guests may still make."""
        return self._made_bytes_max - self._made_bytes

    @property
    def has_kept(self) -> bool:
        """Whether blocks wait to be stored."""
        return bool(self._kept)

    def take(self) -> list[Block]:
        """Give what was kept, to be stored at once with what is above it."""
        made = list(self._kept.values())
        self._stored.update(self._kept)
        self._kept.clear()
        self._kept_bytes = 0
        return made

    async def store(self) -> None:
        """Store what was kept."""
        if self._kept:
            await self._blocks.put_many(list(self._kept.values()))
            self.take()

    @property
    def is_leased(self) -> bool:
        """Whether there is something to `release`."""
        return self._lease is not None

    async def release(self) -> None:
        """Leave what was made to the next collection, unless something pins it."""
        lease, self._lease = self._lease, None
        if lease is not None:
            await lease.__aexit__(None, None, None)

    async def _store_early(self) -> None:
        """Store a part of what is being made; nothing leads to it yet, so a lease keeps it."""
        if self._lease is None:
            lease = self._blocks.lease()
            await lease.__aenter__()
            self._lease = lease
        await self.store()
