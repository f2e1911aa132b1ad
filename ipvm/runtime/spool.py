"""Keep what a command writes to a stream until it is known what it comes to, and pass it on meanwhile."""

import tempfile
from collections.abc import AsyncIterator, Callable
from typing import IO, Final, TypeAlias, final

import trio

from ipvm.errors import LimitExceeded, Refused
from ipvm.wasm import HOW_TO_RAISE

__all__ = ["Listen", "Spool"]

Listen: TypeAlias = Callable[[bytes], None]
"""Takes what a command writes, at once; on any thread."""

_MEMORY_BYTES: Final = 1024 * 1024
"""Bytes that stay in memory; what is more goes to a temporary file, so many at a time."""


@final
class Spool:
    """One stream of one run."""

    def __init__(self, listen: Listen | None, *, bytes_max: int) -> None:
        """Begin with nothing.

        Args:
            listen: Takes what is written, too.
            bytes_max: Bytes that may be written.
        """
        self._listen = listen
        self._left = bytes_max
        self._bytes_max = bytes_max
        self._last = bytearray()
        self._file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        """Take what is written.

        Raises:
            LimitExceeded: It is more than may be kept.
            Refused: There is no room for it.
        """
        self._left -= len(data)
        if self._left < 0:
            raise LimitExceeded("made_bytes_max", self._bytes_max, how=HOW_TO_RAISE)
        self._last += data
        if len(self._last) > _MEMORY_BYTES:
            self._put_away()
        if self._listen is not None:
            self._listen(data)

    def _put_away(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="ipvm-", buffering=0)  # noqa: SIM115 - closed by `close`
            view = memoryview(self._last)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            msg = f"what the command writes finds no room in {tempfile.gettempdir()}: {error}"
            raise Refused(msg) from error
        self._last = bytearray()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give all that was written."""
        if self._file is not None:
            self._file.seek(0)
            while piece := self._file.read(_MEMORY_BYTES):
                await trio.lowlevel.checkpoint()
                yield piece
        if self._last:
            await trio.lowlevel.checkpoint()
            yield bytes(self._last)

    def close(self) -> None:
        """Forget it."""
        self._last.clear()
        if self._file is not None:
            self._file.close()
