"""The part of the given files that is in memory, of a bounded size.

It has room for more than one call can read, so what was fetched for a call is there when it is begun
again. Of a file that stands in blocks, one block is fetched for a byte of it: nothing else counts as read.
"""

from functools import partial
from typing import Final, final

from ipvm.errors import InvalidData
from ipvm.host.wasi.origin import FileOrigin, InPieces, Wanted

__all__ = ["READ_BYTES_MAX", "Window"]

READ_BYTES_MAX: Final = 1024 * 1024
"""Bytes that one call reads at most; the guest asks again for the rest."""
WINDOW_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of given files that are in memory."""
_SPANS_MAX: Final = 4096
_PIECE_BYTES: Final = 256 * 1024
"""Bytes that are fetched together of a file that has no pieces of its own."""


@final
class _Span:
    """Bytes of a file that were fetched together."""

    __slots__ = ("end", "origin", "start", "view")

    def __init__(self, origin: FileOrigin | None, start: int, data: bytes) -> None:
        self.origin = origin
        self.start = start
        self.end = start + len(data)
        self.view = memoryview(data)


@final
class Window:
    """Spans of given files, those that were fetched last."""

    def __init__(self) -> None:
        self._last = _Span(None, 0, b"")
        self._spans: list[_Span] = []
        self._of: dict[FileOrigin, list[_Span]] = {}
        self._bytes = 0

    def read(self, origin: FileOrigin, offset: int, size: int) -> memoryview | bytes:
        """Give bytes that lie within the file.

        Args:
            origin: The file; those that are equal are the same.
            offset: Where they begin.
            size: Their number, up to `READ_BYTES_MAX`.

        Raises:
            Wanted: They are not in memory.
        """
        span = self._last
        end = offset + size
        if span.origin is not origin or offset < span.start or end > span.end:
            span = self._span(origin, offset)
            if end > span.end:
                return b"".join(
                    [span.view[offset - span.start :], self._rest(origin, span.end, end)]
                )
        return span.view[offset - span.start : end - span.start]

    def _rest(self, origin: FileOrigin, start: int, end: int) -> bytes:
        parts = []
        while start < end:
            span = self._span(origin, start)
            parts.append(span.view[start - span.start : end - span.start])
            start = span.end
        return b"".join(parts)

    def _span(self, origin: FileOrigin, offset: int) -> _Span:
        """Give the span that has the first of some bytes."""
        for span in self._of.get(origin, ()):
            if span.start <= offset < span.end:
                span.origin = origin
                self._last = span
                return span
        if not isinstance(origin, InPieces):
            start = offset // _PIECE_BYTES * _PIECE_BYTES
            end = min(start + _PIECE_BYTES, origin.size)
            raise Wanted(partial(self._fetch, origin, start, end))
        start = offset // origin.piece_bytes * origin.piece_bytes
        end = min(start + origin.piece_bytes, origin.size)
        data = origin.at_hand(start, end - start)
        if data is None:
            raise Wanted(partial(self._fetch, origin, start, end))
        return self._keep(origin, start, data)

    async def _fetch(self, origin: FileOrigin, start: int, end: int) -> None:
        data = await origin.read(start, end - start)
        if len(data) != end - start:
            got = f"{len(data)} of {end - start} at {start}"
            raise InvalidData(f"a file of {origin.size} bytes ends early: {got}")
        self._keep(origin, start, data)

    def _keep(self, origin: FileOrigin, start: int, data: bytes) -> _Span:
        self._bytes += len(data)
        while self._bytes > WINDOW_BYTES_MAX or len(self._spans) >= _SPANS_MAX:
            self._forget()
        span = self._last = _Span(origin, start, data)
        self._spans.append(span)
        self._of.setdefault(origin, []).append(span)
        return span

    def _forget(self) -> None:
        """Let go of the span that was fetched first."""
        span = self._spans.pop(0)
        assert span.origin is not None
        self._bytes -= len(span.view)
        others = self._of[span.origin]
        others.remove(span)
        if not others:
            del self._of[span.origin]
