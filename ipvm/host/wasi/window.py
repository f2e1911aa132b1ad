"""The part of the given files that is in memory, of a bounded size.

It has room for more than one call can read, so what was fetched for a call is there when it is begun
again.
"""

from functools import partial
from typing import Final, final

from ipvm.errors import InvalidData
from ipvm.host.wasi.origin import FileOrigin, Wanted

__all__ = ["READ_BYTES_MAX", "Window"]

READ_BYTES_MAX: Final = 1024 * 1024
"""Bytes that one call reads at most; the guest asks again for the rest."""
_PIECE_BYTES: Final = 256 * 1024
_PIECES_MAX: Final = 64
_AHEAD: Final = 4
"""Pieces that are fetched together when a file is read in order."""


@final
class Window:
    """Pieces of given files, those that were used last."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[FileOrigin, int], bytes] = {}

    def read(self, origin: FileOrigin, offset: int, size: int) -> bytes:
        """Give bytes that lie within the file.

        Args:
            origin: The file; it is told apart from others by being another object.
            offset: Where they begin.
            size: Their number, up to `READ_BYTES_MAX`.

        Raises:
            Wanted: They are not in memory.
        """
        first, last = offset // _PIECE_BYTES, (offset + size - 1) // _PIECE_BYTES
        start = offset - first * _PIECE_BYTES
        if first == last:
            return self._piece(origin, first, last)[start : start + size]
        whole = b"".join([self._piece(origin, n, last) for n in range(first, last + 1)])
        return whole[start : start + size]

    def _piece(self, origin: FileOrigin, number: int, last: int) -> bytes:
        key = (origin, number)
        piece = self._pieces.get(key)
        if piece is None:
            in_order = number == 0 or (origin, number - 1) in self._pieces
            end = max(last + 1, number + (_AHEAD if in_order else 1))
            raise Wanted(partial(self._fetch, origin, number, end))
        return piece

    async def _fetch(self, origin: FileOrigin, first: int, end: int) -> None:
        offset = first * _PIECE_BYTES
        size = min(end * _PIECE_BYTES, origin.size) - offset
        data = await origin.read(offset, size)
        if len(data) != size:
            msg = f"a file of {origin.size} bytes ends early: {len(data)} of {size} at {offset}"
            raise InvalidData(msg)
        for number in range(first, end):
            at = (number - first) * _PIECE_BYTES
            if at >= size:
                break
            while len(self._pieces) >= _PIECES_MAX:
                del self._pieces[next(iter(self._pieces))]
            self._pieces.pop((origin, number), None)
            self._pieces[origin, number] = data[at : at + _PIECE_BYTES]
