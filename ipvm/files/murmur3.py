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
    size = len(data)
    whole = size - size % _BLOCK_BYTES
    # Written out in one piece: listing a sharded folder hashes every name in it.
    for at in range(0, whole, _BLOCK_BYTES):
        part = int.from_bytes(data[at : at + 8], "little") * _C1 & _MASK
        first ^= (part << 31 | part >> 33) * _C2 & _MASK
        first = ((first << 27 | first >> 37) + second) * 5 + 0x52DCE729 & _MASK
        part = int.from_bytes(data[at + 8 : at + 16], "little") * _C2 & _MASK
        second ^= (part << 33 | part >> 31) * _C1 & _MASK
        second = ((second << 31 | second >> 33) + first) * 5 + 0x38495AB5 & _MASK
    # What is left of a block counts as if zeros stood behind it, and zero stays zero.
    if whole < size:
        part = int.from_bytes(data[whole + 8 :], "little") * _C2 & _MASK
        second ^= (part << 33 | part >> 31) * _C1 & _MASK
        part = int.from_bytes(data[whole : whole + 8], "little") * _C1 & _MASK
        first ^= (part << 31 | part >> 33) * _C2 & _MASK
    second ^= size
    first = (first ^ size) + second & _MASK
    return _mixed(first) + _mixed(first + second & _MASK) & _MASK


def _mixed(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33
