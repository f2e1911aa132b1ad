"""Write a DAG into a CAR: depth first, in the order of the links, and each block once.

The same DAG gives the same bytes everywhere. What an identity CID carries needs no section; the
links in it are followed like any others.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, final

from trio.lowlevel import checkpoint

from ipvm.errors import NotFound
from ipvm.ipld import CODECS, Block, Cid
from ipvm.store.car.files import Write
from ipvm.store.car.writer import car_header, car_section

__all__ = ["BlockGetter", "Exported", "export_blocks", "export_dag", "missing_block", "walk_dag"]


class BlockGetter(Protocol):
    """What blocks come from: a store, or a service that also asks elsewhere."""

    async def get(self, cid: Cid) -> Block:
        """Give the verified block of a CID; see `ipvm.store.Blockstore.get`."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written.

    Attributes:
        roots: The roots that the CAR names.
        blocks: Blocks in it.
        car_bytes: Its size.
    """

    roots: tuple[Cid, ...]
    blocks: int
    car_bytes: int


async def walk_dag(root: Cid, blocks: BlockGetter) -> AsyncGenerator[Block, None]:
    """Give every block that a root reaches, depth first, each CID once.

    What stands under a codec that is not known here is given, and its links are not followed.

    Raises:
        NotFound, Unavailable, BlockMismatch: A block cannot be had; its CID is named.
        InvalidEncoding: A block is not what its codec says.
    """
    seen: set[bytes] = set()
    ahead = [iter((root,))]
    while ahead:
        cid = next(ahead[-1], None)
        if cid is None:
            ahead.pop()
        elif bytes(cid) not in seen:
            seen.add(bytes(cid))
            block = await blocks.get(cid)
            if cid.codec in CODECS.values():
                ahead.append(iter(block.links()))
            yield block


async def export_dag(
    root: Cid,
    blocks: BlockGetter,
    write: Write,
    *,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Exported:
    """Write the DAG of a root. What is not here is fetched.

    Args:
        root: Where it begins, and what the CAR names as its root.
        blocks: Where the blocks come from.
        write: Takes the bytes of the CAR in order.
        progress: Called with the blocks and bytes that are written.

    Raises:
        IpvmError: As `walk_dag`; what was written by then is no whole CAR.
    """
    return await _export((root,), walk_dag(root, blocks), write, progress)


async def export_blocks(
    roots: Sequence[Cid], cids: Iterable[Cid], blocks: BlockGetter, write: Write
) -> Exported:
    """Write a CAR with these blocks in this order, and no others."""

    async def each() -> AsyncGenerator[Block, None]:
        for cid in cids:
            yield await blocks.get(cid)

    return await _export(roots, each(), write, lambda *_: None)


async def _export(
    roots: Sequence[Cid],
    blocks: AsyncGenerator[Block, None],
    write: Write,
    progress: Callable[[int, int], None],
) -> Exported:
    header = car_header(roots)
    await write(header)
    count, size = 0, len(header)
    async with aclosing(blocks):
        async for block in blocks:
            if not block.cid.is_identity:
                section = car_section(block)
                await write(section)
                count, size = count + 1, size + len(section)
                progress(count, size)
    return Exported(roots=tuple(roots), blocks=count, car_bytes=size)


async def missing_block(
    root: Cid, blocks: BlockGetter, *, blocks_max: int | None = None
) -> tuple[Cid | None, bool]:
    """Look for the first block below a root that is not here.

    Args:
        root: Where to begin.
        blocks: Where to look.
        blocks_max: After so many blocks the search is given up.

    Returns:
        Its CID, or None; and whether the search came to its end.

    Raises:
        BlockMismatch, InvalidEncoding: A block is not what it should be.
    """
    await checkpoint()
    count = 0
    try:
        async with aclosing(walk_dag(root, blocks)) as reached:
            async for _ in reached:
                count += 1
                if count == blocks_max:
                    return None, False
    except NotFound as absent:
        cid = getattr(absent, "cid", None)
        return cid if isinstance(cid, Cid) else root, True
    return None, True
