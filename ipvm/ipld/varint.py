"""Read and write unsigned varints: seven bits a byte, the lowest first.

There is exactly one spelling of each number here. A longer one, padded with zero bits, would give
the same CID a second name, so it is refused.
"""

from typing import Final

from ipvm.errors import InvalidData

__all__ = ["VARINT_BYTES_MAX", "InvalidVarint", "read", "write"]

VARINT_BYTES_MAX: Final = 9
"""Longest varint in a CID, as the multiformats specification sets it: 63 bits."""

_PAYLOAD: Final = 0x7F
_MORE: Final = 0x80


class InvalidVarint(InvalidData):
    """The bytes are no varint: cut off, too long, or not the shortest spelling."""


def read(data: bytes, offset: int = 0, *, bytes_max: int = VARINT_BYTES_MAX) -> tuple[int, int]:
    """Read the varint at an offset.

    Args:
        data: The bytes that hold it.
        offset: Where it begins.
        bytes_max: Its longest spelling in bytes.

    Returns:
        The number, and the offset after it.

    Raises:
        InvalidVarint: It is cut off, longer than `bytes_max`, or padded.
    """
    value = 0
    for index, byte in enumerate(data[offset : offset + bytes_max]):
        value |= (byte & _PAYLOAD) << (7 * index)
        if byte < _MORE:
            if byte == 0 and index > 0:
                raise InvalidVarint(f"the varint at byte {offset} is not the shortest spelling")
            return value, offset + index + 1
    if len(data) - offset < bytes_max:
        raise InvalidVarint(f"the varint at byte {offset} is cut off")
    raise InvalidVarint(f"the varint at byte {offset} is longer than {bytes_max} bytes")


def write(value: int) -> bytes:
    """Spell a number that is not negative."""
    if value < _MORE:
        return bytes((value,))
    spelled = bytearray()
    while value >= _MORE:
        spelled.append(value & _PAYLOAD | _MORE)
        value >>= 7
    spelled.append(value)
    return bytes(spelled)
