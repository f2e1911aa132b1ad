"""Let many small writes at once share few commits.

A commit costs the same wait for the disk whether it holds one block or a thousand. So while one
commit runs, whatever else arrives gathers in the next batch. There is no background task: of those
who wait for a batch, the first to find the disk idle writes it, for all of them. If that one is
cancelled before it began, the next takes over; once begun, a commit is not interrupted.
"""

from collections.abc import Callable, Sequence
from typing import final

import trio
from trio.lowlevel import ParkingLot, checkpoint

from ipvm.errors import IpvmError

Write = tuple[bytes, bytes | None]
"""A binary CID, and what to keep under its hash; None deletes."""


@final
class _Batch:
    """Writes that share a commit, by who asked for them, and what became of them."""

    __slots__ = ("done", "failure", "parts")

    def __init__(self) -> None:
        self.parts: dict[object, Sequence[Write]] = {}
        self.done = False
        self.failure: IpvmError | None = None


@final
class GroupCommit:
    """Many `submit`s, few calls of `commit`.

    Args:
        commit: Makes all writes durable, in their order, or raises. It runs in a worker thread,
            never twice at once.
    """

    def __init__(self, commit: Callable[[Sequence[Write]], None]) -> None:
        self._commit = commit
        self._gathering = _Batch()
        self._committing = False
        self._waiting = ParkingLot()
        # Of its own, so that guests that fill the common threads cannot hold up the disk.
        self._thread = trio.CapacityLimiter(1)

    async def submit(self, writes: Sequence[Write]) -> None:
        """Return when `writes` are durable.

        Raises:
            IpvmError: What `commit` raised for the batch that they were in.
        """
        batch, ticket = self._gathering, object()
        batch.parts[ticket] = writes
        try:
            await checkpoint()  # everyone who is about to write joins this batch
            while not batch.done:
                if self._committing:
                    await self._waiting.park()
                else:
                    await self._lead(batch)
        except trio.Cancelled:
            if batch is self._gathering:
                del batch.parts[ticket]
            raise
        if batch.failure is not None:
            raise batch.failure

    async def _lead(self, batch: _Batch) -> None:
        if batch is self._gathering:
            self._gathering = _Batch()
        writes = [write for part in batch.parts.values() for write in part]
        self._committing = True
        try:
            await trio.to_thread.run_sync(self._commit, writes, limiter=self._thread)
            batch.done = True
        except IpvmError as failure:
            batch.failure = failure
            batch.done = True
        finally:
            self._committing = False
            self._waiting.unpark_all()
