"""Read and write the one open file of a store, from any thread of this process.

LMDB allows a file to be open once in a process, so all stores that name the same folder share one
`Environment`, counted by `lease` and `release`.

Two locks order what happens here. `_mapped` is held while a read lasts, which is microseconds, and
while the file is closed and opened again. `_writing` is held by the one thread that writes, through
its commit; nobody else waits for that. Opening again is the one cure for all that can change under
an open file: it has outgrown the map (our own writes, or those of another process), its folder was
removed, or LMDB gave up after a failed write.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, final

import lmdb

from ipvm.errors import Refused
from ipvm.limits import STORE_COMMIT_BYTES_MAX
from ipvm.store.blockstore import Statistics
from ipvm.store.commit import Write
from ipvm.store.conditions import StoreFull, StoreUnavailable
from ipvm.store.lmdb import mapping, records
from ipvm.store.lmdb.failures import condition, was_cut_short
from ipvm.store.lmdb.opening import make_file, open_file
from ipvm.store.lmdb.structure import DATA_FILE, fill_gap, flaws
from ipvm.store.lmdb.transaction import Transaction

_Answer = TypeVar("_Answer")
_ATTEMPTS: Final = 64
"""How often a write opens the file again: each time the map doubles, and addresses have 64 bits."""

_RESIDENT_BYTES_MAX: Final = 96 * 1024 * 1024
"""Bytes of mapped files, beyond what was there before, at which those of the store are given back."""

_LOOK_BYTES: Final = 4 * 1024 * 1024
"""Bytes that are read between two looks at how much is mapped."""

_AROUND_BYTES: Final = 16 * 1024
"""What the system maps around a block that is read, about."""

_WRITE_OVERHEAD_BYTES: Final = 512
"""What a write costs a commit beside its data, about; so that deletions are bounded too."""


class Outdated(Exception):
    """The open file must be opened again (`Environment.reopen`) before it can be read."""


@final
class Environment:
    """One open file. Made by `lease`, closed by the last `release`."""

    def __init__(self, path: Path, map_bytes: int, handle: lmdb.Environment) -> None:
        self.path = path
        self.leases = 0
        self._map_bytes = map_bytes
        self._handle: lmdb.Environment | None = handle  # None: opening it again has failed
        self._file = _identity(path)
        self._process = os.getpid()
        self._mapped = threading.Lock()
        self._touched_bytes = 0
        self._resident_bytes = 0
        self._writing = threading.Lock()

    def read(self, job: Callable[[Transaction], _Answer]) -> _Answer:
        """Return what `job` finds in the state of this moment. It must not keep the transaction.

        Raises:
            Outdated: Open the file again, off the event loop, and ask again.
            IpvmError: The condition that came up (`failures`).
        """
        self._require_same_process()
        try:
            with self._mapped, self._current().begin() as transaction:
                return job(transaction)
        except (lmdb.MapResizedError, lmdb.PanicError, lmdb.ReadersFullError) as error:
            raise Outdated(error.reason) from error
        except (lmdb.Error, OSError) as error:
            raise condition(error, self.path) from error

    def version(self) -> int:
        """Return the number of the last commit of any process; 0 while that cannot be told."""
        with self._mapped:
            return 0 if self._handle is None else int(self._handle.info()["last_txnid"])

    def touched(self, blocks: int, size: int) -> None:
        """Note what came into memory of the file, and now and then let go of it.

        Args:
            blocks: Number of blocks that were read.
            size: Bytes of them together.
        """
        self._touched_bytes += size + blocks * _AROUND_BYTES
        if self._touched_bytes < _LOOK_BYTES:
            return
        self._touched_bytes = 0
        if mapping.resident_bytes() - self._resident_bytes > _RESIDENT_BYTES_MAX:
            with self._mapped:  # so that the map stays where it is
                mapping.let_go(self.path / DATA_FILE)
            self._resident_bytes = mapping.resident_bytes()

    def statistics(self) -> Statistics:
        """Return the numbers of this moment. Raises what `read` raises."""

        def measure(transaction: Transaction) -> Statistics:
            blocks, total = records.usage(transaction)
            return Statistics(
                blocks=blocks,
                block_bytes=total,
                disk_bytes=(self.path / DATA_FILE).stat().st_blocks * 512,
                map_bytes=self._current().info()["map_size"],
                path=self.path,
            )

        return self.read(measure)

    def write(self, portions: Iterable[Sequence[Write]]) -> None:
        """Make all writes durable, in their order, each portion in one commit.

        It waits for the disk and for other processes that write, so it belongs in a thread.

        Raises:
            IpvmError: The condition that came up; the commits before it are durable.
        """
        self._require_same_process()
        with self._writing:
            if self._handle is None or _identity(self.path) != self._file:
                self._open_again(self._map_bytes)
            for portion in portions:
                self._commit(partial(records.apply, writes=portion))

    def transact(self, job: Callable[[Transaction], _Answer]) -> _Answer:
        """Run a job in one transaction of its own, and return what it returns; it may run again.

        Raises:
            IpvmError: The condition that came up; nothing was changed.
        """
        self._require_same_process()
        with self._writing:
            if self._handle is None or _identity(self.path) != self._file:
                self._open_again(self._map_bytes)
            return self._commit(job)

    def reopen(self) -> None:
        """Open the file again, as it is now. It waits for a write of this process to end."""
        with self._writing:
            self._open_again(self._map_bytes)

    def close(self) -> None:
        """Close the file."""
        with self._writing, self._mapped:
            if self._handle is not None:
                self._handle.close()

    def flaws(self) -> Sequence[str]:
        """Return what is wrong with the structure of the file. It reads all of that.

        Raises:
            IpvmError: The condition that came up (`failures`).
        """
        self._require_same_process()
        if self._handle is None:
            self.reopen()
        try:
            return flaws(self.path, self._current())
        except (lmdb.Error, OSError) as error:
            raise condition(error, self.path) from error

    def _commit(self, job: Callable[[Transaction], _Answer]) -> _Answer:
        for _ in range(_ATTEMPTS):
            try:
                with self._current().begin(write=True) as transaction:
                    answer = job(transaction)
                fill_gap(self.path, self._current())
                return answer
            except lmdb.MapFullError:
                self._grow()
            except (lmdb.MapResizedError, lmdb.PanicError):
                self._open_again(self._map_bytes)
            except lmdb.Error as error:
                if was_cut_short(error, self.path / DATA_FILE):
                    raise StoreFull(self.path, "a write found room for a part only") from error
                raise condition(error, self.path) from error
        raise StoreUnavailable(self.path, "it keeps growing under this process")

    def _grow(self) -> None:
        before = self._current().info()["map_size"]
        self._open_again(2 * before)
        if self._current().info()["map_size"] <= before:
            raise StoreFull(self.path, f"there are no addresses for more than {before} bytes of it")
        self._map_bytes = 2 * before

    def _open_again(self, map_bytes: int) -> None:
        with self._mapped:
            if self._handle is not None:
                self._handle.close()
                self._handle = None
            self._handle = make_file(self.path, map_bytes)
            self._file = _identity(self.path)

    def _current(self) -> lmdb.Environment:
        if self._handle is None:
            raise Outdated("opening it again has failed")
        return self._handle

    def _require_same_process(self) -> None:
        if os.getpid() != self._process:
            raise Refused(
                f"the store {self.path} was opened before this process was forked; "
                "start processes with the method 'spawn', or open the store in the child alone"
            )


_open: Final[dict[Path, Environment]] = {}
_opening: Final = threading.Lock()


def lease(path: Path, map_bytes: int, *, create: bool) -> Environment | None:
    """Return the environment of the store in `path`; None if there is none and none is to be made.

    Raises:
        IpvmError: What `open_file` and `make_file` raise.
    """
    key = Path(os.path.realpath(path))  # unlike Path.resolve, it takes a loop of links
    with _opening:
        environment = _open.get(key)
        if environment is None:
            handle = make_file(key, map_bytes) if create else open_file(key, map_bytes)
            if handle is None:
                return None
            environment = _open[key] = Environment(key, map_bytes, handle)
        environment.leases += 1
        return environment


def release(environment: Environment) -> None:
    """Give back what `lease` returned; the last one closes the file."""
    with _opening:
        environment.leases -= 1
        if not environment.leases:
            del _open[environment.path]
            environment.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = (path / DATA_FILE).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def portions(writes: Iterable[Write]) -> Iterator[Sequence[Write]]:
    """Cut writes into as few commits as their size allows."""
    portion: list[Write] = []
    size = 0
    for write in writes:
        portion.append(write)
        size += _WRITE_OVERHEAD_BYTES + len(write[1] or b"")
        if size >= STORE_COMMIT_BYTES_MAX:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
