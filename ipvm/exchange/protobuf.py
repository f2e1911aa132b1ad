"""Read and write protobuf, as far as the messages of peers need it.

Whoever reads a message goes through its fields, takes those that it knows by their tags, the number
and the type of a field in one, and skips the others.
"""

from typing import Final

from ipvm.errors import InvalidData
from ipvm.ipld import varint

__all__ = ["InvalidMessage", "read_field", "read_number", "read_varint", "sized"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES: Final = {_FIXED64: 8, _FIXED32: 4}
_MORE: Final = 0x80
_VARINT_BYTES_MAX: Final = 10


class InvalidMessage(InvalidData):
    """A peer sent what is no message, or one that is longer than a message may be."""


def sized(data: bytes) -> bytes:
    """Spell bytes with their length before them."""
    return varint.write(len(data)) + data


def read_field(content: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Read the head of a field: its tag, where its value begins, and where that ends.

    Raises:
        InvalidMessage: There is no whole field.
    """
    tag, at = read_varint(content, at, end)
    wire = tag & 7
    if wire == _BYTES:
        size, at = read_varint(content, at, end)
        stop = at + size
    elif wire == _VARINT:
        _, stop = read_varint(content, at, end)
    elif wire in _FIXED_BYTES:
        stop = at + _FIXED_BYTES[wire]
    else:
        raise InvalidMessage("a message is no protobuf")
    if stop > end or tag < 8:  # noqa: PLR2004 - there is no field 0
        raise InvalidMessage("a message is cut off, or no protobuf")
    return tag, at, stop


def read_number(content: bytes, at: int, end: int) -> int:
    """Read the value of a field that is a number.

    Raises:
        InvalidMessage: It does not end.
    """
    return read_varint(content, at, end)[0]


def read_varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """Read a number, and tell where it ends.

    Raises:
        InvalidMessage: It does not.
    """
    if at < end and content[at] < _MORE:
        return content[at], at + 1
    value = 0
    for index in range(_VARINT_BYTES_MAX):
        if at + index >= end:
            break
        byte = content[at + index]
        value |= (byte & ~_MORE) << 7 * index
        if byte < _MORE:
            return value, at + index + 1
    raise InvalidMessage("a number in a message does not end")
