"""Take a CAR apart as it comes, in pieces of any size, without reading it from anywhere.

A section is a CID and bytes that claim to be its block; whoever makes a `Block` of them verifies
that. Nothing is kept but the piece that is not whole yet, and every length is held against its bound
before its content is waited for, so a length that lies costs nothing. Version 2 wraps version 1: the
reader skips to the data that its header names, and leaves the index behind it alone.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, final

from ipvm.errors import InvalidData
from ipvm.ipld import DAG_CBOR, Cid, Value, decode, varint
from ipvm.limits import BLOCK_BYTES_MAX, CAR_HEADER_BYTES_MAX, CID_BYTES_MAX

__all__ = ["CarReader", "InvalidCar", "Section"]

_SECTION_BYTES_MAX: Final = CID_BYTES_MAX + BLOCK_BYTES_MAX
_V2_HEADER_BYTES: Final = 40
_V2_DATA_OFFSET_MIN: Final = 51
"""What comes before the data: the pragma, and the header of version 2."""
_MORE: Final = 0x80


class InvalidCar(InvalidData):
    """A CAR is cut off, malformed, or holds a block that does not match its CID.

    Attributes:
        offset: Where in the CAR, in bytes: the beginning of the header or section that is wrong.
        blocks: How many blocks before it were good; those were taken, where it was being imported.
        problem: What is wrong.
    """

    def __init__(self, problem: str, *, offset: int, blocks: int) -> None:
        self.problem = problem
        self.offset = offset
        self.blocks = blocks
        good = "1 block before it is" if blocks == 1 else f"{blocks} blocks before it are"
        super().__init__(f"the CAR is broken at byte {offset}: {problem} ({good} good)")


class Section(NamedTuple):
    """A block as a CAR has it, not verified."""

    cid: Cid
    unverified_data: bytes
    offset: int
    """Where the section begins in the CAR, in bytes."""


@final
class CarReader:
    """Feed it the bytes of a CAR, and it gives the sections; `finish` when there are no more.

    Attributes:
        roots: The roots that the header names; None until it was read.
        version: 1 or 2; 0 until it is known.
        sections: Sections given so far.
    """

    def __init__(self) -> None:
        self.roots: tuple[Cid, ...] | None = None
        self.version = 0
        self.sections = 0
        self._buffer = bytearray()
        self._start = 0
        """Where in the CAR the buffer begins."""
        self._skip_to = 0
        self._end: int | None = None
        """Where in the CAR the data of version 2 ends."""
        self._awaits_v2_header = False

    def feed(self, data: bytes) -> Iterator[Section]:
        """Take the next bytes, and give the sections that are whole now. Take all it gives.

        Raises:
            InvalidCar: Something is wrong; what was given before it is good.
        """
        self._buffer += data
        used = 0
        while (found := self._next(used)) is not None:
            used, section = found
            if section is not None:
                self.sections += 1
                yield section
        self._start += used
        del self._buffer[:used]

    def finish(self) -> None:
        """Tell that the CAR ends here.

        Raises:
            InvalidCar: It is cut off.
        """
        is_whole = self.roots is not None and not self._buffer
        if self._end is not None:
            is_whole = is_whole and self._start >= self._end
        if not is_whole:
            raise self._broken("it is cut off here, in what begins here", self._start)

    def _next(self, used: int) -> tuple[int, Section | None] | None:
        """Read what begins at an offset of the buffer; None if it is not all there yet."""
        place = self._start + used
        if place < self._skip_to:
            step = min(self._skip_to - place, len(self._buffer) - used)
            return (used + step, None) if step else None
        if self._end is not None and place >= self._end:
            step = len(self._buffer) - used
            return (used + step, None) if step else None
        if self._awaits_v2_header:
            return self._v2_header(used)
        extent = self._extent(used)
        if extent is None:
            return None
        start, end = extent
        if self.roots is None:
            self._header(bytes(self._buffer[start:end]), place)
            return end, None
        return end, self._section(start, end, place)

    def _extent(self, used: int) -> tuple[int, int] | None:
        """Give where the content lies whose length stands at an offset, once it is there."""
        head = bytes(self._buffer[used : used + varint.VARINT_BYTES_MAX])
        place = self._start + used
        if len(head) < varint.VARINT_BYTES_MAX and all(byte >= _MORE for byte in head):
            return None
        try:
            length, size = varint.read(head)
        except varint.InvalidVarint as error:
            raise self._broken("the length is no number in its shortest spelling", place) from error
        what, maximum = "section", _SECTION_BYTES_MAX
        if self.roots is None:
            what, maximum = "header", CAR_HEADER_BYTES_MAX
        if not 0 < length <= maximum:
            raise self._broken(f"a {what} has 1 to {maximum} bytes, not {length}", place)
        end = used + size + length
        if self._end is not None and self._start + end > self._end:
            raise self._broken(f"the {what} reaches beyond the data of the CAR", place)
        return (used + size, end) if end <= len(self._buffer) else None

    def _header(self, data: bytes, place: int) -> None:
        try:
            header = decode(data, DAG_CBOR)
        except InvalidData as error:
            raise self._broken(f"the header is {error}", place) from error
        if header == {"version": 2} and not self.version:
            self.version = 2
            self._awaits_v2_header = True
            return
        self.roots = self._roots(header, place)
        self.version = self.version or 1

    def _roots(self, header: Value, place: int) -> tuple[Cid, ...]:
        if not isinstance(header, dict) or "version" not in header:
            raise self._broken("the header is no map with a version", place)
        version, roots = header["version"], header.get("roots")
        if type(version) is not int or version != 1:
            wanted = "1" if self.version else "1 or 2"
            raise self._broken(f"the version is not {wanted}", place)
        if header.keys() != {"version", "roots"} or not isinstance(roots, list):
            raise self._broken("the header is not a version and a list of roots", place)
        links = tuple([root for root in roots if isinstance(root, Cid)])
        if len(links) < len(roots):
            raise self._broken("a root is no link", place)
        return links

    def _v2_header(self, used: int) -> tuple[int, None] | None:
        header = self._buffer[used : used + _V2_HEADER_BYTES]
        if len(header) < _V2_HEADER_BYTES:
            return None
        offset = int.from_bytes(header[16:24], "little")
        size = int.from_bytes(header[24:32], "little")
        if offset < _V2_DATA_OFFSET_MIN or not size:
            problem = f"the header of version 2 names {size} bytes of data at {offset}"
            raise self._broken(problem, self._start + used)
        self._skip_to, self._end = offset, offset + size
        self._awaits_v2_header = False
        return used + _V2_HEADER_BYTES, None

    def _section(self, start: int, end: int, place: int) -> Section:
        with memoryview(self._buffer) as view:  # the content is copied once, and not more
            try:
                cid, size = Cid.read(bytes(view[start : min(end, start + CID_BYTES_MAX)]))
            except InvalidData as error:
                raise self._broken(f"the section begins with no CID: {error}", place) from error
            return Section(cid, bytes(view[start + size : end]), place)

    def _broken(self, problem: str, place: int) -> InvalidCar:
        return InvalidCar(problem, offset=place, blocks=self.sections)
