"""Read the protobuf message that says what a UnixFS node is (`nodes` writes it).

Known fields must have their types, and stand once, but for the sizes of the parts. Others are skipped.
"""

from dataclasses import dataclass, field
from typing import Final

from ipvm.errors import InvalidData

__all__ = [
    "DIRECTORY",
    "FILE",
    "HAMT",
    "KINDS",
    "MURMUR3_X64_64",
    "RAW_PIECE",
    "SYMLINK",
    "Message",
    "read_message",
]

RAW_PIECE, DIRECTORY, FILE, _METADATA, SYMLINK, HAMT = range(6)
"""What a node may be."""
KINDS: Final = ("piece", "directory", "file", "metadata node", "symlink", "HAMT directory")
"""What to call it."""
MURMUR3_X64_64: Final = 0x22
"""The hash of names in a HAMT directory, by its number in the multicodec table."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES: Final = {_FIXED64: 8, _FIXED32: 4}
_TYPE, _DATA, _FILE_SIZE, _BLOCK_SIZES, _HASH_TYPE, _FANOUT, _MODE, _MTIME = range(1, 9)
_NUMBERS: Final = {
    _TYPE: "kind",
    _FILE_SIZE: "file_size",
    _HASH_TYPE: "hash_type",
    _FANOUT: "fanout",
    _MODE: "mode",
}
_SECONDS, _NANOSECONDS = 1, 2
_MODE_MAX: Final = 0xFFFF_FFFF
_SECOND: Final = 1_000_000_000
_VARINT_BITS: Final = 70
_LOW_BITS: Final = 0x7F
_WORD: Final = 2**64
_SIGN: Final = 2**63


@dataclass(slots=True)
class Message:
    """What the message says; None is not told."""

    kind: int = -1
    data: bytes = b""
    file_size: int | None = None
    block_sizes: list[int] = field(default_factory=list)
    hash_type: int | None = None
    fanout: int | None = None
    mode: int | None = None
    mtime_nanoseconds: int | None = None


def read_message(content: bytes) -> Message:
    """Read a message.

    Raises:
        InvalidData: It is cut off, or a known field has another type or stands twice.
    """
    message, seen, at = Message(), 0, 0
    size = len(content)
    while at < size:
        number, wire, value, at = _field(content, at)
        if number == _BLOCK_SIZES:
            _add_sizes(message.block_sizes, wire, value)
            continue
        if number <= _MTIME:
            if seen & 1 << number:
                raise InvalidData("a field of the UnixFS data stands twice")
            seen |= 1 << number
            _set(message, number, wire, value)
    if message.kind < 0:
        raise InvalidData("the UnixFS data does not say what it is")
    if (message.mode or 0) > _MODE_MAX:
        raise InvalidData("the mode in the UnixFS data is too large")
    return message


def _set(message: Message, number: int, wire: int, value: int | bytes) -> None:
    if number in _NUMBERS and wire == _VARINT:
        setattr(message, _NUMBERS[number], value)
    elif number == _DATA and isinstance(value, bytes):
        message.data = value
    elif number == _MTIME and isinstance(value, bytes):
        message.mtime_nanoseconds = _moment(value)
    else:
        raise InvalidData("a field of the UnixFS data has another type")


def _add_sizes(sizes: list[int], wire: int, value: int | bytes) -> None:
    if isinstance(value, bytes):  # packed, which protobuf allows
        at = 0
        while at < len(value):
            size, at = _varint(value, at)
            sizes.append(size)
    elif wire == _VARINT:
        sizes.append(value)
    else:
        raise InvalidData("a field of the UnixFS data has another type")


def _moment(content: bytes) -> int:
    seconds = nanoseconds = at = 0
    while at < len(content):
        number, wire, value, at = _field(content, at)
        if number == _SECONDS and wire == _VARINT and isinstance(value, int):
            seconds = value - _WORD if value >= _SIGN else value
        elif number == _NANOSECONDS and wire == _FIXED32 and isinstance(value, int):
            nanoseconds = value
    if nanoseconds >= _SECOND:
        raise InvalidData("the time in the UnixFS data has a second of too many parts")
    return seconds * _SECOND + nanoseconds


def _field(content: bytes, at: int) -> tuple[int, int, int | bytes, int]:
    """Read a field: its number, its type on the wire, its value, and the offset after it."""
    tag, at = _varint(content, at)
    number, wire = tag >> 3, tag & 7
    if number == 0:
        raise InvalidData("the UnixFS data is no protobuf")
    if wire == _VARINT:
        value, at = _varint(content, at)
        return number, wire, value, at
    if wire == _BYTES:
        size, at = _varint(content, at)
    elif wire in _FIXED_BYTES:
        size = _FIXED_BYTES[wire]
    else:
        raise InvalidData("the UnixFS data is no protobuf")
    end = at + size
    if end > len(content):
        raise InvalidData("the UnixFS data is cut off")
    found = content[at:end]
    return number, wire, found if wire == _BYTES else int.from_bytes(found, "little"), end


def _varint(content: bytes, at: int) -> tuple[int, int]:
    if at < len(content) and content[at] <= _LOW_BITS:
        return content[at], at + 1
    value = 0
    for shift in range(0, _VARINT_BITS, 7):
        if at >= len(content):
            raise InvalidData("the UnixFS data is cut off")
        byte = content[at]
        at += 1
        value |= (byte & _LOW_BITS) << shift
        if byte <= _LOW_BITS:
            return value % _WORD, at
    raise InvalidData("a number in the UnixFS data does not end")
