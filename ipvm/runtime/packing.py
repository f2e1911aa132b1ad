"""List the blocks that a function needs to run elsewhere, where nobody can be asked.

A load that is watched says exactly what a load needs: manifests, code, and the pieces of code files.
A receipt adds what one run needed beyond that: the blocks that it read, the closures of the functions
that it called by CID, and what the result links to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from ipvm.errors import NotFound
from ipvm.ipld import CODECS, DAG_CBOR, DAG_PB, RAW, Block, Cid, InvalidEncoding, encode, links
from ipvm.limits import Limits
from ipvm.linker import survey
from ipvm.model import Invocation, Receipt
from ipvm.runtime.gather import BlockGetter, gather, resolved

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
        roots: The function and, where it was given, the receipt.
        cids: Every block, the roots first and the others in the order of their bytes.
        absent: What the result links to and nobody has; a run does not need it.
    """

    roots: tuple[Cid, ...]
    cids: tuple[Cid, ...]
    absent: tuple[Cid, ...]


async def pack_list(
    target: Cid, blocks: BlockGetter, *, limits: Limits, receipt: Cid | None = None
) -> Packing:
    """List the blocks of the closure of a function and, with a receipt, of one run.

    Raises:
        LinkError, InvalidData, Refused: The function does not link.
        NotFound, Unavailable: A block cannot be had.
    """
    listing = _Listing(blocks, limits)
    await listing.add_program(target)
    roots: tuple[Cid, ...] = (target,)
    if receipt is not None:
        await listing.add_run(receipt)
        roots = (target, receipt)
    others = sorted(listing.cids.difference(roots))
    return Packing(
        roots=roots,
        cids=(*dict.fromkeys(roots), *others),
        absent=tuple(sorted(listing.absent)),
    )


@final
class _Listing:
    """Blocks that were asked for; itself what they are asked of."""

    def __init__(self, blocks: BlockGetter, limits: Limits) -> None:
        self.cids: set[Cid] = set()
        self.absent: set[Cid] = set()
        self._blocks = blocks
        self._limits = limits

    async def get(self, cid: Cid) -> Block:
        """Give a block, and list it."""
        block = await self._blocks.get(cid)
        self.cids.add(cid)
        return block

    async def add_program(self, target: Cid) -> None:
        """List what loading a function takes."""
        planner = await gather(target, self, limits=self._limits)
        found = await resolved(planner, survey)
        if found.problem is not None:
            raise found.problem

    async def add_run(self, cid: Cid) -> None:
        """List a receipt and what the run that it is about took."""
        block = await self.get(cid)
        record = Receipt.from_block(block)
        invocation = Invocation.from_block(await self.get(record.ran))
        await self.add_program(invocation.run)
        for read in await self._reads(record):
            if await self._is_program(await self.get(read)):
                # A call that failed left nothing else to load.
                await gather(read, self, limits=self._limits)
        await self._add_result(links(encode(record.out.to_value(), DAG_CBOR), DAG_CBOR))

    async def _reads(self, record: Receipt) -> Sequence[Cid]:
        if not isinstance(record.reads, Cid):
            return record.reads
        found = (await self.get(record.reads)).links()
        return tuple(dict.fromkeys(found))

    async def _is_program(self, block: Block) -> bool:
        """Whether a block may have been called: a manifest, or where a file of code begins."""
        if block.cid.codec not in {RAW, DAG_PB}:
            return _is_manifest(block)
        for _ in range(_FILE_DEPTH_MAX):
            children = block.links()
            if not children:
                break
            try:
                block = await self._blocks.get(children[0])
            except NotFound:  # so it was not loaded either
                return False
        return _CODE_MAGIC in block.data[:_HEAD_BYTES]

    async def _add_result(self, roots: Sequence[Cid]) -> None:
        ahead = list(reversed(roots))
        seen = set(ahead)
        while ahead:
            cid = ahead.pop()
            try:
                block = await self.get(cid)
            except NotFound:
                self.absent.add(cid)
                continue
            below = block.links() if cid.codec in CODECS.values() else ()
            ahead.extend(child for child in dict.fromkeys(below) if child not in seen)
            seen.update(below)


def _is_manifest(block: Block) -> bool:
    try:
        value = block.decode()
    except InvalidEncoding:
        return False
    return isinstance(value, dict) and value.get("ipvm") == "manifest/1"
