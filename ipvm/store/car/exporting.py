"""Write a DAG into a CAR: depth first, in the order of the links, and each block once.

The same DAG gives the same bytes everywhere. What an identity CID carries needs no section; the
links in it are followed like any others.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import final

from ipvm.ipld import Block, Cid
from ipvm.store.car.files import Write
from ipvm.store.car.walking import BlockGetter, blocks_of, walk_dag
from ipvm.store.car.writer import car_header, car_section

__all__ = ["Exported", "export_blocks", "export_dag"]


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
    return await _export((root,), walk_dag((root,), blocks), write, progress)


async def export_blocks(
    roots: Sequence[Cid],
    cids: Iterable[Cid],
    blocks: BlockGetter,
    write: Write,
    *,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Exported:
    """Write a CAR with these blocks in this order, and no others; see `export_dag`."""
    return await _export(roots, blocks_of(cids, blocks), write, progress)


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
