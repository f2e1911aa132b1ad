"""Keep what a command writes to a stream until it is known what it comes to, and pass it on meanwhile."""

import tempfile
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeAlias, final

import trio

from ipvm.errors import LimitExceeded, Refused
from ipvm.wasm import HOW_TO_RAISE

__all__ = ["Listen", "Spool"]

Listen: TypeAlias = Callable[[bytes], None]
"""Takes what a command writes, at once; on any thread."""

_MEMORY_BYTES: Final = 1024 * 1024
"""Bytes that stay in memory; what is more goes to a temporary file."""
_PIECE_BYTES: Final = 1024 * 1024


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
        self._bytes_max = bytes_max
        self._bytes = 0
        self._file = tempfile.SpooledTemporaryFile(_MEMORY_BYTES, prefix="ipvm-")  # noqa: SIM115 - closed by `close`

    def write(self, data: bytes) -> None:
        """Take what is written.

        Raises:
            LimitExceeded: It is more than may be kept.
            Refused: There is no room for it.
        """
        self._bytes += len(data)
        if self._bytes > self._bytes_max:
            raise LimitExceeded("made_bytes_max", self._bytes_max, how=HOW_TO_RAISE)
        try:
            self._file.write(data)
        except OSError as error:
            msg = f"what the command writes finds no room in {tempfile.gettempdir()}: {error}"
            raise Refused(msg) from error
        if self._listen is not None:
            self._listen(data)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give all that was written."""
        self._file.seek(0)
        while piece := self._file.read(_PIECE_BYTES):
            await trio.lowlevel.checkpoint()
            yield piece

    def close(self) -> None:
        """Forget it."""
        self._file.close()
