"""Free the room of what nobody wants any more, while others go on using the store.

Mark and sweep: everything that the pins reach is marked, and what is not marked is deleted. Others
put, pin and unpin meanwhile, in this process and in others, and none of them waits for more than one
small transaction. Why nothing is lost that should stay:

1. The collection holds a lease (`ipvm.store.pins`) from before it looks at the first pin. While there
   is a lease, the store writes a journal: each put is noted, also of a block that is there already,
   and so is each new pin, in the same transaction as the block or the pin itself.
2. The roots are the pins, and the journal from the beginning of the oldest lease on. A pin is in the
   list, or it was made after the lease began and is in the journal. A pin that moves to another name
   is a new pin.
3. Deleting happens in transactions, page by page, and transactions of a store do not overlap. Each
   of them first marks what the journal has gained since the last look, and all that it leads to; then
   it deletes what is not marked. So at the end of each transaction, all that the journal and the pins
   reach and was here at its beginning is still here.
4. Hence a block that was acknowledged stays if it is pinned, or was put or is reached from what was
   put after the lease of the collection, or after that of whoever works, began.
5. A lease is a record in the store, and a lock of the operating system that its process holds. When
   the process is killed the lock is gone, and the next lease clears the record away.
6. Killed at any moment, a collection has deleted whole pages of garbage or has not. Marks live in a
   file that loses its name at once; where it is killed before that, the next lease removes the file.

What `has` said is no promise: who needs a block that is there puts it again or says `need`.

Behind a block that has rotted, or is missing where a pin promises that all is here, there may be
more, and nobody knows what. Then nothing is deleted at all; the caller is told what to mend or unpin.
A block that is missing below a partial pin is as it should be.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar, final, runtime_checkable

from ipvm.ipld import Cid
from ipvm.store.blockstore import Enumerable
from ipvm.store.pins import Pin, Pinning
from ipvm.store.tracing import Marks, Problem, Reader, Tracer

_T = TypeVar("_T")
_PAGE: Final = 1000
"""Keys that are looked at in one transaction."""

_STEPS: Final = 500
"""Blocks that are read before others get their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """Blocks that were deleted, or would be, and their bytes."""

    blocks: int = 0
    block_bytes: int = 0

    def __add__(self, other: "Freed") -> "Freed":
        return Freed(
            blocks=self.blocks + other.blocks, block_bytes=self.block_bytes + other.block_bytes
        )


class Ground(Reader, Protocol):
    """A store, seen by a collection. All but `run` is called in what `run` runs."""

    @property
    def marks(self) -> Marks:
        """Where the collection has been."""
        ...

    async def run(self, job: Callable[[], _T]) -> _T:
        """Run a job where it may wait for the disk. A checkpoint."""
        ...

    def written(self) -> Sequence[Cid]:
        """Give what the journal has gained since the last look; at first, since the oldest lease."""
        ...

    def sweep(
        self, keys: Sequence[bytes], spare: Callable[[Sequence[Cid], Reader], bool], *, delete: bool
    ) -> Freed:
        """In one transaction: let `spare` mark what was written, then delete keys without marks.

        Args:
            keys: Multihashes.
            spare: Is given what the journal has gained, and how to read in the transaction. It tells
                whether anything may be deleted.
            delete: Whether to delete, or to count only.
        """
        ...


@runtime_checkable
class Collectable(Pinning, Enumerable, Protocol):
    """A store whose garbage can be collected."""

    def ground(self) -> AbstractAsyncContextManager[Ground]:
        """Hold a lease, and give what a collection needs, as long as the context lasts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What came of a collection.

    Attributes:
        freed: What was deleted; what would have been, if it was a dry run.
        kept: Blocks that were looked at and stay.
        pins: Number of pins.
        unknown: CIDs that were reached whose codec is not known here; they were taken as leaves.
        problems: What stood in the way.
        stopped: Whether nothing more was deleted because of that.
    """

    freed: Freed = Freed()
    kept: int = 0
    pins: int = 0
    unknown: int = 0
    problems: tuple[Problem, ...] = ()
    stopped: bool = False


Progress = Callable[[str, int], None]
"""Is told what is going on, `mark` or `sweep`, and how many blocks are done."""


async def collect(
    store: Collectable, *, dry_run: bool = False, progress: Progress = lambda *_: None
) -> Collected:
    """Delete what no pin and no lease reaches. It may be cancelled at any moment.

    Args:
        store: Whose garbage; it may be used meanwhile.
        dry_run: Delete nothing, only tell.
        progress: Is called again and again.

    Raises:
        IpvmError: The store cannot be read or written.
    """
    async with store.ground() as ground:
        collection = _Collection(store, ground, progress)
        await collection.mark()
        return await collection.sweep(delete=not dry_run)


@final
class _Collection:
    def __init__(self, store: Collectable, ground: Ground, progress: Progress) -> None:
        self._store = store
        self._ground = ground
        self._progress = progress
        self._tracer = Tracer(ground.marks)
        self._pins = 0

    async def mark(self) -> None:
        """Mark what pins reach, those first that promise all of it; then what was written."""
        for reach in ("recursive", "direct", "partial"):
            after: Pin | None = None
            while page := await self._store.pins(after, _PAGE):
                after = page[-1]
                chosen = [each.cid for each in page if each.reach == reach]
                self._pins += len(chosen)
                begin = self._tracer.keep if reach == "direct" else self._tracer.reach
                await self._ground.run(partial(_each, begin, chosen))
                await self._trace(strict=reach == "recursive")
        await self._ground.run(lambda: _each(self._tracer.reach, self._ground.written()))
        await self._trace(strict=False)

    async def _trace(self, *, strict: bool) -> None:
        step = partial(self._tracer.step, self._ground, strict=strict, steps=_STEPS)
        while await self._ground.run(step):
            self._progress("mark", self._tracer.blocks)

    async def sweep(self, *, delete: bool) -> Collected:
        """Delete what is not marked, unless too little is known for that."""
        freed = Freed()
        seen, last = 0, b""
        while not self._tracer.is_blind and (page := await self._store.multihashes(last, _PAGE)):
            last = page[-1]
            job = partial(self._ground.sweep, page, self._spare, delete=delete)
            freed += await self._ground.run(job)
            seen += len(page)
            self._progress("sweep", seen)
        return Collected(
            freed=freed,
            kept=max(0, seen - freed.blocks),
            pins=self._pins,
            unknown=self._tracer.unknown,
            problems=tuple(self._tracer.problems),
            stopped=self._tracer.is_blind,
        )

    def _spare(self, written: Sequence[Cid], reader: Reader) -> bool:
        _each(self._tracer.reach, written)
        while self._tracer.step(reader, strict=False, steps=_STEPS):
            pass
        return not self._tracer.is_blind


def _each(begin: Callable[[Cid], None], cids: Sequence[Cid]) -> None:
    for cid in cids:
        begin(cid)
