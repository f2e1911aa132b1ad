"""Make linked programs out of text, in memory: for tests of what links and runs them."""

import functools
from collections.abc import Mapping, Sequence
from typing import final

from ipvm.engine import text_to_module
from ipvm.files import file_blocks
from ipvm.ipld import DAG_CBOR, DAG_PB, Block, Cid, Value
from ipvm.model import Manifest, Signature
from ipvm.store import Memory

__all__ = ["Library"]


@final
class Library:
    """Functions, as blocks that nobody has stored yet.

    Attributes:
        blocks: All of them, in the order in which they were made.
    """

    def __init__(self) -> None:
        self.blocks: dict[Cid, Block] = {}

    def keep(self, block: Block) -> Cid:
        """Add a block, whatever it is."""
        self.blocks[block.cid] = block
        return block.cid

    def code(self, text: str) -> Cid:
        """Assemble a module; it stands in one raw block."""
        return self.keep(Block.of(_assemble(text)))

    def file(self, data: bytes) -> Cid:
        """Add bytes as IPFS does: one raw block, or a UnixFS file where they are long."""
        cid, blocks = file_blocks(data)
        for block in blocks:
            self.keep(block)
        return cid

    def joined(self, pieces: Sequence[Cid], *, version: int = 1) -> Cid:
        """Add a UnixFS file that consists of other blocks, which need not be here."""
        links: Value = [{"Hash": cid, "Name": "", "Tsize": 1} for cid in pieces]
        data = Block.encode({"Data": b"\x08\x02", "Links": links}, codec=DAG_PB).data
        return self.keep(Block(Cid(Cid.of(data).digest, codec=DAG_PB, version=version), data))

    def manifest(
        self,
        code: Cid | str,
        imports: Mapping[str, Cid] = {},
        exports: Mapping[str, Signature] = {},
        *,
        codec: int = DAG_CBOR,
    ) -> Cid:
        """Add a manifest; its code may be given as text."""
        cid = self.code(code) if isinstance(code, str) else code
        value = Manifest(code=cid, imports=imports, exports=exports).to_value()
        return self.keep(Block.encode(value, codec=codec))

    async def store(self) -> Memory:
        """Give a store that holds the blocks."""
        store = Memory()
        await store.put_many(list(self.blocks.values()))
        return store


@functools.cache
def _assemble(text: str) -> bytes:
    return text_to_module(text)
