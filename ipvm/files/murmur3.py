"""Hash names as sharded folders do: the first 64 bits of MurmurHash3 for x64, seed 0.

It spreads names over shards, and protects nothing. It is here because the libraries that have it
bring machine code of their own for these forty lines.

Source: MurmurHash3 by Austin Appleby, in the public domain.
"""

from typing import Final

__all__ = ["murmur3_64"]

_MASK: Final = 2**64 - 1
_C1: Final = 0x87C37B91114253D5
_C2: Final = 0x4CF5AD432745937F
_BLOCK_BYTES: Final = 16


def murmur3_64(data: bytes) -> int:
    """Hash bytes to 64 bits."""
    first = second = 0
    whole = len(data) - len(data) % _BLOCK_BYTES
    for at in range(0, whole, _BLOCK_BYTES):
        first ^= _scrambled_first(int.from_bytes(data[at : at + 8], "little"))
        first = (_rotated(first, 27) + second) * 5 + 0x52DCE729 & _MASK
        second ^= _scrambled_second(int.from_bytes(data[at + 8 : at + 16], "little"))
        second = (_rotated(second, 31) + first) * 5 + 0x38495AB5 & _MASK
    # What is left of a block counts as if zeros stood behind it, and zero stays zero.
    second ^= _scrambled_second(int.from_bytes(data[whole + 8 :], "little"))
    first ^= _scrambled_first(int.from_bytes(data[whole : whole + 8], "little"))
    first ^= len(data)
    second ^= len(data)
    first = first + second & _MASK
    second = second + first & _MASK
    return _mixed(first) + _mixed(second) & _MASK


def _scrambled_first(value: int) -> int:
    return _rotated(value * _C1 & _MASK, 31) * _C2 & _MASK


def _scrambled_second(value: int) -> int:
    return _rotated(value * _C2 & _MASK, 33) * _C1 & _MASK


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & _MASK


def _mixed(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33
