"""What a guest has written: how much of it there may be, and where it lies.

Bytes that were written stand in pages. The pages of all files together take a bounded part of memory;
those that were not used for longest lie in a temporary file, which the operating system removes with
the process. How much a guest may write at all does not depend on that.
"""

import errno
import os
import tempfile
from typing import IO, Final, final

from ipvm.errors import LimitExceeded, Refused
from ipvm.wasm import HOW_TO_RAISE

__all__ = ["PAGE_BYTES", "Ledger"]

PAGE_BYTES: Final = 16_384
HOT_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of written pages that stay in memory."""


@final
class Ledger:
    """The pages that a guest wrote, by numbers, and what they count for.

    Attributes:
        charged: Bytes that count against the bound: written pages, holes, names and links.
    """

    def __init__(self, written_bytes_max: int, *, hot_bytes_max: int = HOT_BYTES_MAX) -> None:
        """Begin with nothing.

        Args:
            written_bytes_max: Bytes that the guest may have written at any time.
            hot_bytes_max: Bytes of them that may stay in memory.
        """
        self.charged = 0
        self._most = written_bytes_max
        self._hot_most = max(hot_bytes_max // PAGE_BYTES, 1)
        self._hot: dict[int, bytearray] = {}
        self._count = 0
        self._free: list[int] = []
        self._cold: IO[bytes] | None = None

    def charge(self, amount: int) -> None:
        """Count bytes that are about to be written; a negative amount gives some back.

        Raises:
            LimitExceeded: There would be too many. Nothing is counted then.
        """
        if self.charged + amount > self._most and amount > 0:
            raise LimitExceeded("made_bytes_max", self._most, how=HOW_TO_RAISE)
        self.charged += amount

    def new_page(self, data: bytes | memoryview = b"") -> int:
        """Make a page that begins with some bytes, zero after them, and give its number."""
        if self._free:
            number = self._free.pop()
        else:
            number = self._count
            self._count += 1
        self._keep(number, bytearray(data) + bytearray(PAGE_BYTES - len(data)))
        return number

    def page(self, number: int) -> bytearray:
        """Give the bytes of a page, to read or to change before another page is asked for."""
        page = self._hot.pop(number, None)
        if page is None:
            assert self._cold is not None
            self._cold.seek(number * PAGE_BYTES)
            page = bytearray(self._cold.read(PAGE_BYTES))
            self._keep(number, page)
        else:
            self._hot[number] = page  # it is the last that has to go now
        return page

    def drop(self, number: int) -> None:
        """Forget a page."""
        self._hot.pop(number, None)
        self._free.append(number)

    def close(self) -> None:
        """Forget everything."""
        self._hot.clear()
        if self._cold is not None:
            self._cold.close()

    @property
    def is_spilled(self) -> bool:
        """Whether anything had to go to disk."""
        return self._cold is not None

    def _keep(self, number: int, page: bytearray) -> None:
        if len(self._hot) >= self._hot_most:
            oldest = next(iter(self._hot))
            try:
                self._put_away(oldest)
            except OSError as error:
                msg = f"what the guest writes finds no room in {tempfile.gettempdir()}: {error}"
                raise Refused(msg) from error
            del self._hot[oldest]
        self._hot[number] = page

    def _put_away(self, number: int) -> None:
        if self._cold is None:
            self._cold = tempfile.TemporaryFile(prefix="ipvm-", buffering=0)  # noqa: SIM115 - closed by `close`
        self._cold.seek(number * PAGE_BYTES)
        if self._cold.write(self._hot[number]) != PAGE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
