"""Remember ten million marks in little memory: in a file that has lost its name.

    m ‖ multihash      codecs that it was reached under, as varints
    q ‖ number         binary CIDs to go to, each behind its length in one byte

The file lies in a folder of the store, where there is room, and its name is removed as soon as it
is open. So it ends with the process, however that ends. It is never synced.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self, final

import lmdb

from ipvm.ipld import varint
from ipvm.store.lmdb.failures import condition

_MARK: Final = b"m"
_QUEUE: Final = b"q"
_MAP_BYTES: Final = 1024 * 1024 * 1024 * 1024
_MAP_BYTES_MIN: Final = 16 * 1024 * 1024
_CHUNK: Final = 20_000
"""CIDs that wait in memory; twice as many, and one half goes to the file."""


@final
class FileMarks:
    """Marks in a file; each use of them is within `with marks:`, in one thread."""

    def __init__(self, handle: lmdb.Environment, folder: Path) -> None:
        self._handle = handle
        self._folder = folder
        self._transaction: lmdb.Transaction[bytes] | None = None
        self._waiting: list[bytes] = []
        self._chunks = 0

    def __enter__(self) -> Self:
        self._transaction = self._handle.begin(write=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        transaction, self._transaction = self._now, None
        try:
            transaction.commit()
        except lmdb.Error as failure:
            raise condition(failure, self._folder) from failure

    @property
    def _now(self) -> "lmdb.Transaction[bytes]":
        assert self._transaction is not None
        return self._transaction

    def add(self, multihash: bytes, codec: int) -> bool:
        """Mark what is reached under a codec, and tell whether it was not before."""
        key, reached = _MARK + multihash, varint.write(codec)
        before = self._now.get(key)
        if before is None:
            self._now.put(key, reached)
            return True
        if reached in _varints(before):
            return False
        self._now.put(key, before + reached)
        return True

    def __contains__(self, multihash: bytes) -> bool:
        with self._now.cursor() as cursor:
            return cursor.set_key(_MARK + multihash)

    def push(self, cid: bytes) -> None:
        """Remember to go there."""
        self._waiting.append(cid)
        if len(self._waiting) == 2 * _CHUNK:
            older = self._waiting[:_CHUNK]
            del self._waiting[:_CHUNK]
            self._now.put(self._chunk_key(), b"".join(bytes((len(each),)) + each for each in older))
            self._chunks += 1

    def pop(self) -> bytes | None:
        """Give what was remembered last; None if nothing is left."""
        if not self._waiting and self._chunks:
            self._chunks -= 1
            self._waiting = list(_parts(self._now.pop(self._chunk_key()) or b""))
        return self._waiting.pop() if self._waiting else None

    def _chunk_key(self) -> bytes:
        return _QUEUE + self._chunks.to_bytes(8, "big")


@contextmanager
def marks_in(file: Path) -> Iterator[FileMarks]:
    """Open marks for as long as the context lasts.

    Args:
        file: Where they are made; nobody else uses it. It is gone when this returns.

    Raises:
        IpvmError: The folder cannot be written.
    """
    try:
        file.unlink(missing_ok=True)
        try:
            handle = _open(file)
        finally:
            file.unlink(missing_ok=True)
    except (OSError, lmdb.Error) as error:
        raise condition(error, file.parent) from error
    try:
        yield FileMarks(handle, file.parent)
    except lmdb.Error as error:
        raise condition(error, file.parent) from error
    finally:
        handle.close()


@contextmanager
def scratch_marks() -> Iterator[FileMarks]:
    """Open marks in the folder for temporary files, for who only reads a store.

    Raises:
        IpvmError: That folder cannot be written.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="ipvm-"))
    except OSError as error:
        raise condition(error, Path(tempfile.gettempdir())) from error
    try:
        stack = ExitStack()
        marks = stack.enter_context(marks_in(folder / "marks"))
    finally:
        folder.rmdir()
    with stack:
        yield marks


def _open(file: Path) -> lmdb.Environment:
    map_bytes = _MAP_BYTES
    while True:
        try:
            return lmdb.Environment(
                os.fsencode(file), map_size=map_bytes, subdir=False, lock=False, sync=False
            )
        except lmdb.Error:
            if map_bytes <= _MAP_BYTES_MIN:
                raise
        map_bytes //= 2


def _varints(data: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        _, following = varint.read(data, position)
        yield data[position:following]
        position = following


def _parts(data: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        following = position + 1 + data[position]
        yield data[position + 1 : following]
        position = following
