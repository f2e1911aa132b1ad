"""Go through a DAG depth first, in the order of the links, and fetch a little ahead.

Where the walk has been and where it has still to go is kept in a file (`ipvm.store.lmdb.marks`), so a chain
of ten million blocks takes as much memory as one of ten. What is not here is asked for together with
what comes next, a bounded number of blocks at a time; the order in which blocks are given does not
depend on it.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol, final

import trio

from ipvm.errors import IpvmError, NotFound
from ipvm.ipld import CODECS, Block, Cid

if TYPE_CHECKING:
    from ipvm.store.lmdb.marks import FileMarks

__all__ = ["BlockGetter", "blocks_of", "walk_dag"]

_AHEAD: Final = 16
"""Blocks that are asked for together, and held in memory if they were not here."""
_KNOWN: Final = frozenset(CODECS.values())


class BlockGetter(Protocol):
    """What blocks come from: a store, or a service that also asks elsewhere."""

    async def get(self, cid: Cid) -> Block:
        """Give the verified block of a CID; see `ipvm.store.Blockstore.get`."""
        ...

    async def has(self, cid: Cid) -> bool:
        """Whether the store has it."""
        ...


async def walk_dag(
    roots: Sequence[Cid],
    blocks: BlockGetter,
    *,
    absent: Callable[[Cid], None] | None = None,
) -> AsyncGenerator[Block, None]:
    """Give every block that roots reach, depth first, each once under a codec.

    What stands under a codec that is not known here is given, and its links are not followed.

    Args:
        roots: Where to begin, one after the other.
        blocks: Where the blocks come from.
        absent: Is told what nobody has, and the walk goes on. Without it, that is a failure.

    Raises:
        NotFound, Unavailable, BlockMismatch: A block cannot be had; its CID is named.
        InvalidEncoding: A block is not what its codec says.
        IpvmError: The folder for temporary files cannot be written.
    """
    from ipvm.store.lmdb.marks import scratch_marks  # noqa: PLC0415 - few walk

    with scratch_marks() as marks:
        course, ahead = _Course(marks), _Ahead(blocks)
        links: Sequence[Cid] = roots
        while (cid := course.next(links)) is not None:
            links = ()
            if not ahead.looked_for(cid):
                await ahead.look_for([cid, *course.following(_AHEAD - 1)])
            try:
                block = await ahead.get(cid)
            except NotFound:
                if absent is None:
                    raise
                absent(cid)
                continue
            if cid.codec in _KNOWN:
                links = block.links()
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
    """Where a walk goes: what lies ahead, the next on top, and what lies behind."""

    def __init__(self, marks: "FileMarks") -> None:
        self._marks = marks

    def next(self, links: Sequence[Cid]) -> Cid | None:
        """Give where to go, now that these links were found; None at the end."""
        with self._marks:
            self._push(list(dict.fromkeys(links)))
            for encoded in iter(self._marks.pop, None):
                cid = Cid.decode(encoded)
                if self._marks.add(cid.multihash, cid.codec):
                    return cid
        return None

    def following(self, count: int) -> list[Cid]:
        """Give what comes behind that, as far as is known by now."""
        with self._marks:
            popped = [Cid.decode(each) for each in islice(iter(self._marks.pop, None), count)]
            self._push(popped)
            return [cid for cid in dict.fromkeys(popped) if cid.multihash not in self._marks]

    def _push(self, cids: Sequence[Cid]) -> None:
        for cid in reversed(cids):
            self._marks.push(bytes(cid))


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
        self._looked_for = frozenset(cids)
        self._fetched = {cid: each for cid, each in self._fetched.items() if cid in cids}
        absent = [each for each in cids if each not in self._fetched]
        absent = [each for each in absent if not await self._blocks.has(each)]
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
