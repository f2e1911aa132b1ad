"""Go through a DAG depth first, in the order of the links, and fetch a little ahead.

Where a long walk has been and where it has still to go is kept in a file (`ipvm.store.lmdb.marks`), so
a chain of ten million blocks takes as much memory as one of ten thousand. What is not here is asked for together with
what comes next, a bounded number of blocks at a time; the order in which blocks are given does not
depend on it.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import ExitStack, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol, final

import trio

from ipvm.errors import IpvmError, NotFound
from ipvm.ipld import CODECS, Block, Cid, varint

if TYPE_CHECKING:
    from ipvm.store.lmdb.marks import FileMarks

__all__ = ["BlockGetter", "blocks_of", "known_links", "walk_dag"]

_AHEAD: Final = 16
"""Blocks that are asked for together, and held in memory if they were not here."""
_HELD_MAX: Final = 50_000
"""CIDs that a walk remembers in memory."""
_KNOWN: Final = frozenset(CODECS.values())


class BlockGetter(Protocol):
    """What blocks come from: a store, or a service that also asks elsewhere."""

    async def get(self, cid: Cid) -> Block:
        """Give the verified block of a CID; see `ipvm.store.Blockstore.get`."""
        ...

    async def has(self, cid: Cid) -> bool:
        """Whether the store has it."""
        ...


def known_links(block: Block) -> Sequence[Cid]:
    """Give the links of a block; none where its codec is not known here."""
    return block.links() if block.cid.codec in _KNOWN else ()


async def walk_dag(
    roots: Sequence[Cid],
    blocks: BlockGetter,
    *,
    absent: Callable[[Cid], None] | None = None,
    links: Callable[[Block], Sequence[Cid]] = known_links,
) -> AsyncGenerator[Block, None]:
    """Give every block that roots reach, depth first, each once under a codec.

    Args:
        roots: Where to begin, one after the other.
        blocks: Where the blocks come from.
        links: Gives those links of a block that are followed; without, all that it has.
        absent: Is told what nobody has, and the walk goes on. Without it, that is a failure.

    Raises:
        NotFound, Unavailable, BlockMismatch: A block cannot be had; its CID is named.
        InvalidEncoding: A block is not what its codec says.
        IpvmError: The folder for temporary files cannot be written.
    """
    with ExitStack() as stack:
        course, ahead = _Course(stack), _Ahead(blocks)
        found: Sequence[Cid] = roots
        while (cid := course.next(found)) is not None:
            found = ()
            if not ahead.looked_for(cid):
                await ahead.look_for([cid, *course.following(_AHEAD - 1)])
            try:
                block = await ahead.get(cid)
            except NotFound:
                if absent is None:
                    raise
                absent(cid)
                continue
            found = links(block)
            yield block


async def blocks_of(cids: Iterable[Cid], blocks: BlockGetter) -> AsyncGenerator[Block, None]:
    """Give the blocks of CIDs, in their order.

    Raises:
        NotFound, Unavailable, BlockMismatch: A block cannot be had; its CID is named.
    """
    source, ahead = iter(cids), _Ahead(blocks)
    while batch := list(islice(source, _AHEAD)):
        await ahead.look_for(batch)
        for cid in batch:
            yield await ahead.get(cid)


@final
class _Course:
    """Where a walk goes: what lies ahead, the next on top, and what lies behind.

    It is kept in memory while it is short, and in a file from then on.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._behind: set[bytes] = set()
        self._ahead: list[Cid] = []
        self._marks: FileMarks | None = None

    def next(self, links: Sequence[Cid]) -> Cid | None:
        """Give where to go, now that these links were found; None at the end."""
        links = list(dict.fromkeys(links))
        if self._marks is None and len(self._ahead) + len(self._behind) + len(links) > _HELD_MAX:
            self._spill()
        with self._marks or nullcontext():
            self._push(links)
            for cid in iter(self._pop, None):
                if self._add(cid):
                    return cid
        return None

    def following(self, count: int) -> list[Cid]:
        """Give what comes behind that, as far as is known by now."""
        if self._marks is None:
            following = self._ahead[: -count - 1 : -1]
            return [cid for cid in following if _key(cid) not in self._behind]
        with self._marks:
            popped = list(islice(iter(self._pop, None), count))
            self._push(popped)
            return [cid for cid in popped if cid.multihash not in self._marks]

    def _add(self, cid: Cid) -> bool:
        if self._marks is not None:
            return self._marks.add(cid.multihash, cid.codec)
        before = len(self._behind)
        self._behind.add(_key(cid))
        return len(self._behind) > before

    def _push(self, cids: Sequence[Cid]) -> None:
        if self._marks is None:
            self._ahead.extend(reversed(cids))
            return
        for cid in reversed(cids):
            self._marks.push(bytes(cid))

    def _pop(self) -> Cid | None:
        if self._marks is None:
            return self._ahead.pop() if self._ahead else None
        encoded = self._marks.pop()
        return None if encoded is None else Cid.decode(encoded)

    def _spill(self) -> None:
        from ipvm.store.lmdb.marks import scratch_marks  # noqa: PLC0415 - few walks are long

        marks = self._stack.enter_context(scratch_marks())
        with marks:
            for key in self._behind:
                codec, start = varint.read(key)
                marks.add(key[start:], codec)
            for cid in self._ahead:
                marks.push(bytes(cid))
        self._behind.clear()
        self._ahead.clear()
        self._marks = marks


def _key(cid: Cid) -> bytes:
    return varint.write(cid.codec) + cid.multihash


@final
class _Ahead:
    """Has blocks at hand before somebody wants them."""

    def __init__(self, blocks: BlockGetter) -> None:
        self._blocks = blocks
        self._looked_for: frozenset[Cid] = frozenset()
        self._fetched: dict[Cid, Block | IpvmError] = {}

    def looked_for(self, cid: Cid) -> bool:
        """Whether it was among those looked for last."""
        return cid in self._looked_for

    async def look_for(self, cids: Sequence[Cid]) -> None:
        """Fetch what is not here of these, and let go of all others."""
        new = [cid for cid in cids if cid not in self._looked_for]
        self._looked_for = frozenset(cids)
        for cid in self._fetched.keys() - self._looked_for:
            del self._fetched[cid]
        absent = [cid for cid in new if not await self._blocks.has(cid)]
        if not absent:
            return
        async with trio.open_nursery() as nursery:
            for cid in absent:
                nursery.start_soon(self._fetch, cid)

    async def _fetch(self, cid: Cid) -> None:
        try:
            self._fetched[cid] = await self._blocks.get(cid)
        except IpvmError as failure:
            self._fetched[cid] = failure

    async def get(self, cid: Cid) -> Block:
        """Give a block, or raise what came of fetching it."""
        found = self._fetched.pop(cid, None)
        if isinstance(found, IpvmError):
            raise found
        return found or await self._blocks.get(cid)
