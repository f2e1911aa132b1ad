"""What is in a store in memory, and how a collection sees it (`ipvm.store.collect`)."""

from collections.abc import Callable, Sequence
from typing import TypeVar, final

from trio.lowlevel import checkpoint

from ipvm.ipld import Block, Cid
from ipvm.store.collect import Freed
from ipvm.store.pins import Pin
from ipvm.store.tracing import Reader

_T = TypeVar("_T")


@final
class Contents:
    """Blocks, pins, leases, and the journal of what was put while there is a lease.

    Attributes:
        blocks: By their multihashes.
        pins: By what tells them apart.
        journal: What was put, in order.
        leases: The length of the journal when each of them began.
    """

    def __init__(self) -> None:
        self.blocks: dict[bytes, Block] = {}
        self.pins: dict[tuple[bytes, bytes], Pin] = {}
        self.journal: list[Cid] = []
        self.leases: dict[object, int] = {}

    def note(self, cid: Cid) -> None:
        """Note what is put, if there is a lease."""
        if self.leases:
            self.journal.append(cid)

    def begin(self) -> object:
        """Begin a lease, and give what ends it."""
        ticket = object()
        self.leases[ticket] = len(self.journal)
        return ticket

    def end(self, ticket: object) -> None:
        """End a lease."""
        del self.leases[ticket]
        if not self.leases:
            self.journal.clear()


@final
class MemoryMarks:
    """Marks beside blocks that are in memory, too."""

    def __init__(self) -> None:
        self._marked: dict[bytes, set[int]] = {}
        self._waiting: list[bytes] = []

    def add(self, multihash: bytes, codec: int) -> bool:
        """Mark what is reached under a codec, and tell whether it was not before."""
        codecs = self._marked.setdefault(multihash, set())
        new = codec not in codecs
        codecs.add(codec)
        return new

    def __contains__(self, multihash: bytes) -> bool:
        return multihash in self._marked

    def push(self, cid: bytes) -> None:
        """Remember to go there."""
        self._waiting.append(cid)

    def pop(self) -> bytes | None:
        """Give what was remembered last; None if nothing is left."""
        return self._waiting.pop() if self._waiting else None


@final
class MemoryGround:
    """Works in the task that collects: between two checkpoints, nobody else changes anything."""

    def __init__(self, contents: Contents) -> None:
        self.marks = MemoryMarks()
        self._contents = contents
        self._position = min(contents.leases.values())

    async def run(self, job: Callable[[], _T]) -> _T:
        """Run a job. A checkpoint."""
        await checkpoint()
        return job()

    def read(self, multihash: bytes) -> bytes | None:
        """Give what is kept under a multihash."""
        block = self._contents.blocks.get(multihash)
        return None if block is None else block.data

    def has(self, multihash: bytes) -> bool:
        """Whether anything is kept under a multihash."""
        return multihash in self._contents.blocks

    def written(self) -> Sequence[Cid]:
        """Give what the journal has gained since the last look."""
        gained = self._contents.journal[self._position :]
        self._position += len(gained)
        return gained

    def sweep(
        self, keys: Sequence[bytes], spare: Callable[[Sequence[Cid], Reader], bool], *, delete: bool
    ) -> Freed:
        """Let what was written be marked, then delete what is not."""
        if not spare(self.written(), self):
            return Freed()
        doomed = [key for key in keys if key in self._contents.blocks and key not in self.marks]
        freed = sum(len(self._contents.blocks[key].data) for key in doomed)
        for key in doomed if delete else ():
            del self._contents.blocks[key]
        return Freed(blocks=len(doomed), block_bytes=freed)
