"""The store on the disk, as a collection sees it (`ipvm.store.collect`)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar, final

import trio

from ipvm.ipld import RAW, Cid
from ipvm.store.collect import Freed
from ipvm.store.conditions import StoreUnavailable
from ipvm.store.lmdb import journal, records
from ipvm.store.lmdb.environment import Environment, Outdated
from ipvm.store.lmdb.marks import FileMarks
from ipvm.store.lmdb.transaction import Transaction
from ipvm.store.tracing import Reader

_T = TypeVar("_T")
_ATTEMPTS: Final = 3
_CID_PREFIX: Final = bytes((1, RAW))


@final
class LmdbGround:
    """Works in threads, on an environment that somebody holds, with a lease that somebody holds."""

    def __init__(self, environment: Environment, marks: FileMarks) -> None:
        self.marks = marks
        self._environment = environment
        self._position: int | None = None

    async def run(self, job: Callable[[], _T]) -> _T:
        """Run a job in a thread, with the marks open."""

        def work() -> _T:
            with self.marks:
                return job()

        return await trio.to_thread.run_sync(work)

    def read(self, multihash: bytes) -> bytes | None:
        """Give what is kept under a multihash, unverified."""
        return self._ask(partial(records.block_bytes, multihash=multihash))

    def has(self, multihash: bytes) -> bool:
        """Whether anything is kept under a multihash."""
        return self._ask(partial(records.has_block, multihash=multihash))

    def written(self) -> Sequence[Cid]:
        """Give what the journal has gained since the last look."""
        return self._ask(self._gained)

    def sweep(
        self, keys: Sequence[bytes], spare: Callable[[Sequence[Cid], Reader], bool], *, delete: bool
    ) -> Freed:
        """Let what was written be marked, then delete what is not, in one transaction."""

        def job(transaction: Transaction) -> Freed:
            if not spare(self._gained(transaction), _Within(transaction)):
                return Freed()
            doomed = [key for key in keys if key not in self.marks]
            sizes = [records.block_size(transaction, key) for key in doomed]
            here = [size for size in sizes if size is not None]
            if delete and doomed:
                records.apply(transaction, [(_CID_PREFIX + key, None) for key in doomed])
            return Freed(blocks=len(here), block_bytes=sum(here))

        if all(key in self.marks for key in keys):
            return Freed()
        return self._ask(job) if not delete else self._environment.transact(job)

    def _gained(self, transaction: Transaction) -> Sequence[Cid]:
        if self._position is None:
            self._position = journal.oldest(transaction) or 0
        # Where a transaction is made again, what it marked stays marked, and that does no harm.
        found, self._position = journal.entries(transaction, self._position)
        return found

    def _ask(self, job: Callable[[Transaction], _T]) -> _T:
        reason = ""
        for _ in range(_ATTEMPTS):
            try:
                return self._environment.read(job)
            except Outdated as outdated:
                reason = str(outdated)
            self._environment.reopen()
        raise StoreUnavailable(self._environment.path, reason)


@final
class _Within:
    """The blocks of a transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def read(self, multihash: bytes) -> bytes | None:
        return records.block_bytes(self._transaction, multihash)

    def has(self, multihash: bytes) -> bool:
        return records.has_block(self._transaction, multihash)
