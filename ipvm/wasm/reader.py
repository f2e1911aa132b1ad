"""Read the primitives of the binary format, and know at each moment where.

A cursor over bytes that it never copies. Whatever it meets that is not well formed is an
`InvalidModule` with the offset. Each vector and each section is paid for from one allowance of
entries, so neither time nor memory can grow beyond it, whatever a module claims to hold.
"""

from typing import Final, NoReturn, final

from ipvm.errors import InvalidData, LimitExceeded
from ipvm.limits import MODULE_NAME_BYTES_MAX

HOW_TO_RAISE: Final = "raise it with --limit NAME=VALUE or ipvm.open(limits=...)"

_CONTINUED: Final = 0x80


class InvalidModule(InvalidData):
    """The bytes are not a core WebAssembly module.

    Attributes:
        offset: Where in the module that shows, in bytes; None if it is not about one place.
    """

    def __init__(self, problem: str, offset: int | None = None) -> None:
        self.offset = offset
        super().__init__(problem if offset is None else f"{problem} (at byte {offset})")


@final
class Allowance:
    """How many more entries of vectors may be read from one module."""

    __slots__ = ("_left", "_maximum")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._left = maximum

    def spend(self, entries: int) -> None:
        """Take `entries` from what is left.

        Raises:
            LimitExceeded: less than that is left.
        """
        self._left -= entries
        if self._left < 0:
            found = self._maximum - self._left
            raise LimitExceeded("module_entries_max", self._maximum, found=found, how=HOW_TO_RAISE)


@final
class Reader:
    """A cursor over `data` that stops at `end`; `where` names that part in messages.

    Every method raises InvalidModule, with the offset, if what it is asked for is not there.
    """

    __slots__ = ("allowance", "data", "end", "offset", "where")

    def __init__(
        self, data: bytes, offset: int, end: int, *, allowance: Allowance, where: str
    ) -> None:
        self.data = data
        self.offset = offset
        self.end = end
        self.allowance = allowance
        self.where = where

    def fail(self, problem: str, offset: int | None = None) -> NoReturn:
        """Raise InvalidModule at `offset`, or here."""
        problem = f"{problem} in {self.where}"
        raise InvalidModule(problem, self.offset if offset is None else offset)

    def unsupported(self, proposal: str, offset: int | None = None) -> NoReturn:
        """Refuse what belongs to a proposal that no engine profile has."""
        self.fail(f"the proposal {proposal} is not supported, and it is used", offset)

    def within(self, size: int, where: str) -> "Reader":
        """Return a cursor over the next `size` bytes, and go on behind them."""
        start = self.offset
        self.skip(size)
        return Reader(self.data, start, self.offset, allowance=self.allowance, where=where)

    def finish(self) -> None:
        """Refuse whatever is left."""
        if self.offset != self.end:
            self.fail("unused bytes at the end")

    def byte(self) -> int:
        """Read one byte."""
        offset = self.offset
        if offset >= self.end:
            self.fail("unexpected end")
        self.offset = offset + 1
        return self.data[offset]

    def peek(self) -> int:
        """Return the next byte without moving."""
        if self.offset >= self.end:
            self.fail("unexpected end")
        return self.data[self.offset]

    def skip(self, size: int) -> None:
        """Go on behind the next `size` bytes."""
        left = self.end - self.offset
        if size > left:
            self.fail(f"{size} bytes expected, {left} left")
        self.offset += size

    def skip_rest(self) -> None:
        """Go to the end."""
        self.offset = self.end

    def u32(self) -> int:
        """Read an unsigned LEB128 of 32 bits."""
        offset = self.offset
        if offset < self.end and (value := self.data[offset]) < _CONTINUED:
            self.offset = offset + 1
            return value
        return self.unsigned(32)

    def unsigned(self, bits: int) -> int:
        """Read an unsigned LEB128: no more bytes than `bits` takes, and no bits beyond them."""
        start = self.offset
        value, _ = self._groups(bits)
        if value >> bits:
            self.fail(f"the integer does not fit {bits} bits", start)
        return value

    def signed(self, bits: int) -> int:
        """Read a signed LEB128: no more bytes than `bits` takes, and no bits beyond them."""
        start = self.offset
        value, shift = self._groups(bits)
        if value >> shift - 1:
            value -= 1 << shift
        if not -(1 << bits - 1) <= value < 1 << bits - 1:
            self.fail(f"the integer does not fit {bits} bits", start)
        return value

    def _groups(self, bits: int) -> tuple[int, int]:
        """Read the groups of seven bits of a LEB128, and give their value and number of bits."""
        start = self.offset
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < _CONTINUED:
                return value, shift
            if shift >= bits:
                self.fail(f"the integer takes too many bytes for {bits} bits", start)

    def index(self, what: str, count: int) -> int:
        """Read an index that must be below `count`."""
        start = self.offset
        index = self.u32()
        if index >= count:
            self.fail(f"{what} {index} does not exist", start)
        return index

    def length(self, what: str, entry_bytes: int = 1) -> int:
        """Read the length of a vector whose entries take at least `entry_bytes` each."""
        start = self.offset
        length = self.u32()
        left = self.end - self.offset
        if length * entry_bytes > left:
            self.fail(f"{length} {what} do not fit the {left} bytes that are left", start)
        return length

    def count(self, what: str, entry_bytes: int = 1) -> int:
        """Read the length of a vector, and pay for its entries.

        Raises:
            LimitExceeded: the module has too many entries, all vectors counted.
        """
        count = self.length(what, entry_bytes)
        self.allowance.spend(count)
        return count

    def name(self, what: str) -> str:
        """Read a name in UTF-8.

        Raises:
            LimitExceeded: the name is too long.
        """
        size = self.u32()
        start = self.offset
        self.skip(size)
        if size > MODULE_NAME_BYTES_MAX:
            raise LimitExceeded("module_name_bytes_max", MODULE_NAME_BYTES_MAX, found=size)
        try:
            return self.data[start : self.offset].decode()
        except UnicodeDecodeError as error:
            problem = f"the name of {what} is not UTF-8 in {self.where}"
            raise InvalidModule(problem, start + error.start) from error
