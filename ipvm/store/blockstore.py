"""What it takes to keep blocks: one small protocol, and further powers as further protocols.

A block is kept under the multihash of its bytes, not under its CID. The codec says how to read the
bytes, not which bytes they are, so what was put as raw is found as DAG-CBOR. An identity CID
carries its bytes itself: it is present everywhere, and kept nowhere.

`ipvm.testing.check_blockstore` is this contract as a program; every implementation passes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from ipvm.ipld import Block, Cid


class Blockstore(Protocol):
    """Somewhere blocks are kept.

    Every method is a checkpoint on every path, also when the answer is at hand or nothing is asked.

    Twice: putting what is there, and deleting what is not, changes nothing and is no error.
    Absence: only `get` minds it.
    Together: any number of tasks may call any method at once. What a task has put, it and everyone
    who asks afterwards gets.
    Durability: a store that outlives its process has the block on the disk when `put` returns.
    Cancellation: each block of a cancelled or failed call was stored, or it was not. There is no
    half, and what was there before is still there. A batch may have been stored in part.
    """

    async def get(self, cid: Cid) -> Block:
        """Return the block of `cid`, verified on the way out.

        Raises:
            BlockNotFound: It is not here.
            BlockMismatch: What is kept under that hash has rotted; putting the block again heals it.
        """
        ...

    async def has(self, cid: Cid) -> bool:
        """Whether something is kept under the hash of `cid`. Nothing is verified."""
        ...

    async def put(self, block: Block) -> None:
        """Keep one block.

        Raises:
            Refused: The store is full or cannot be written; the message says what to do.
        """
        ...

    async def put_many(self, blocks: Sequence[Block]) -> None:
        """Keep many blocks at a fraction of the price of as many puts.

        Raises:
            Refused: As `put`; some of the blocks may have been kept.
        """
        ...

    async def delete(self, cid: Cid) -> None:
        """Keep nothing under the hash of `cid` any more, whatever the codec."""
        ...


class Enumerable(Protocol):
    """A store that can say what it holds."""

    async def multihashes(self, after: bytes = b"", count: int = 1000) -> Sequence[bytes]:
        """Return the next keys in ascending order of their bytes; none after the last.

        Pages are taken one by one, so that a walk holds nothing open between two of them. What is
        put or deleted meanwhile may or may not be seen.

        Args:
            after: Only keys greater than this one.
            count: At most so many.
        """
        ...


@runtime_checkable
class Batched(Protocol):
    """A store that reads many blocks in one go, and hashes large ones beside each other."""

    async def get_many(self, cids: Sequence[Cid]) -> list[Block | None]:
        """Return the verified block of each CID; None where `get` would raise. A checkpoint.

        All of them are in memory together: whoever asks knows how large they are.
        """
        ...


class Inspectable(Protocol):
    """A store whose own structure can be damaged, apart from the blocks in it."""

    async def flaws(self) -> Sequence[str]:
        """Return what is wrong with the structure; empty if it is sound."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """How much a store holds.

    Attributes:
        blocks: Number of blocks.
        block_bytes: Bytes of all blocks together.
        disk_bytes: Bytes that the store takes on the disk.
        map_bytes: Bytes that the store may grow to before it reserves more.
        path: Where it lives; None if it does not outlive its process.
    """

    blocks: int
    block_bytes: int
    disk_bytes: int = 0
    map_bytes: int = 0
    path: Path | None = None


class Measured(Protocol):
    """A store that knows how much it holds, without counting."""

    async def statistics(self) -> Statistics:
        """Return the numbers of this moment."""
        ...
