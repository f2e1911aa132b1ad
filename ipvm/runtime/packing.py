"""List the blocks that a function needs to run elsewhere, where nobody can be asked.

A load that is watched says exactly what a load needs: manifests, code, and the pieces of code files.
The record of a run (`ipvm.runtime.ran`) adds what that run needed beyond it: the blocks that it read,
the closures of the functions that it called by CID, and all that it gave.

A module that is imported by its CID stands in the code, where nobody sees a link. What is reached in
no other way becomes a root of the pack, so that who pins the roots keeps all of it.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, final

from ipvm.ipld import DAG_PB, RAW, Block, BlockNotFound, Cid, InvalidEncoding
from ipvm.limits import Limits
from ipvm.linker import survey
from ipvm.runtime.gather import gather, resolved
from ipvm.runtime.ran import Ran, link_list, program_of
from ipvm.store.car import BlockGetter, blocks_of, walk_dag

__all__ = ["Packing", "pack_list"]

_CODE_MAGIC: Final = b"\0asm"
_HEAD_BYTES: Final = 64
"""Bytes of a UnixFS node in which its content has begun, where it has any."""
_FILE_DEPTH_MAX: Final = 32


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """What goes into a pack.

    Attributes:
        roots: The function; the record, where one was given; and what neither leads to by links.
        cids: Every block, the roots first and the others in the order of their bytes.
        absent: What the record links to and nobody has; a run does not need it.
    """

    roots: tuple[Cid, ...]
    cids: tuple[Cid, ...]
    absent: tuple[Cid, ...]


async def pack_list(
    target: Cid, blocks: BlockGetter, *, limits: Limits, receipt: Cid | None = None
) -> Packing:
    """List the blocks of the closure of a function and, with the record of a run, of that run.

    Raises:
        LinkError, InvalidData, Refused: The function does not link, or that is no such record.
        NotFound, Unavailable: A block cannot be had.
    """
    listing = _Listing(blocks, limits)
    await listing.add_program(target)
    named = [target]
    if receipt is not None:
        await listing.add_run(receipt)
        named.append(receipt)
    roots = tuple(dict.fromkeys([*named, *await listing.unlinked(named)]))
    return Packing(
        roots=roots,
        cids=(*roots, *sorted(listing.cids.difference(roots))),
        absent=tuple(sorted(listing.absent)),
    )


@final
class _Listing:
    def __init__(self, blocks: BlockGetter, limits: Limits) -> None:
        self.cids: set[Cid] = set()
        self.absent: set[Cid] = set()
        self._nodes: set[Cid] = set()
        """Those of them whose links lead to parts of programs."""
        self._blocks = blocks
        self._limits = limits

    async def add_program(self, target: Cid) -> None:
        """List what loading a function takes."""
        planner = await gather(target, _Watched(self._blocks, self._nodes), limits=self._limits)
        self.cids |= self._nodes
        found = await resolved(planner, survey)
        if found.problem is not None:
            raise found.problem

    async def add_run(self, cid: Cid) -> None:
        """List the record of a run and what the run took and gave."""
        record = Ran.from_block(await self._node(cid))
        asked = await self._node(record.ran)
        await self.add_program(program_of(asked))
        for given in asked.links():  # what is given is looked at, also where it is not read
            if await self._blocks.has(given):
                self.cids.add(given)
        reads = record.reads
        if isinstance(reads, Cid):
            reads = link_list(await self._node(reads))
        called = _Watched(_Here(self._blocks), self._nodes)
        async with aclosing(blocks_of(dict.fromkeys(reads), self._blocks)) as found:
            async for block in found:
                self.cids.add(block.cid)
                if await self._is_program(block):
                    await gather(block.cid, called, limits=self._limits)
        self.cids |= self._nodes
        async with aclosing(walk_dag(record.gave, self._blocks, absent=self.absent.add)) as walk:
            async for block in walk:
                self.cids.add(block.cid)

    async def unlinked(self, roots: Sequence[Cid]) -> list[Cid]:
        """Give those parts of programs to which neither the roots nor other such parts link."""
        linked = set(roots)
        ahead = list(roots)
        while ahead:
            block = await self._blocks.get(ahead.pop())
            found = self._nodes.intersection(block.links()) - linked
            linked |= found
            ahead.extend(found)
        rest = self._nodes - linked
        for cid in rest:
            linked.update((await self._blocks.get(cid)).links())
        return sorted(rest - linked)

    async def _node(self, cid: Cid) -> Block:
        block = await self._blocks.get(cid)
        self._nodes.add(cid)
        return block

    async def _is_program(self, block: Block) -> bool:
        """Whether a block may have been called: a manifest, or where a file of code begins."""
        if block.cid.codec not in {RAW, DAG_PB}:
            return _is_manifest(block)
        for _ in range(_FILE_DEPTH_MAX):
            children = _links(block)
            if not children:
                break
            if not await self._blocks.has(children[0]):  # so it was not loaded either
                return False
            block = await self._blocks.get(children[0])
        return _CODE_MAGIC in block.data[:_HEAD_BYTES]


@final
class _Watched:
    """Blocks, and which of them somebody got."""

    def __init__(self, blocks: "BlockGetter | _Here", got: set[Cid]) -> None:
        self._blocks = blocks
        self._got = got

    async def get(self, cid: Cid) -> Block:
        block = await self._blocks.get(cid)
        self._got.add(cid)
        return block


@final
class _Here:
    """The blocks that are here. What a run has loaded is here; what looks like it may not be."""

    def __init__(self, blocks: BlockGetter) -> None:
        self._blocks = blocks

    async def get(self, cid: Cid) -> Block:
        if not await self._blocks.has(cid):
            raise BlockNotFound(cid)
        return await self._blocks.get(cid)


def _links(block: Block) -> Sequence[Cid]:
    try:
        return block.links()
    except InvalidEncoding:  # read as bytes, perhaps
        return ()


def _is_manifest(block: Block) -> bool:
    try:
        value = block.decode()
    except InvalidEncoding:
        return False
    return isinstance(value, dict) and value.get("ipvm") == "manifest/1"
