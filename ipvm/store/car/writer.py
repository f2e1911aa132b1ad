"""Write the two parts of a CAR of version 1: its header, and a section for each block."""

from collections.abc import Sequence

from ipvm.errors import LimitExceeded
from ipvm.ipld import DAG_CBOR, Block, Cid, encode, varint
from ipvm.limits import CAR_HEADER_BYTES_MAX

__all__ = ["car_header", "car_section"]


def car_header(roots: Sequence[Cid]) -> bytes:
    """Write the header that names these roots.

    Raises:
        LimitExceeded: There are more than `CAR_HEADER_BYTES_MAX` bytes of them.
    """
    header = encode({"roots": list(roots), "version": 1}, DAG_CBOR)
    if len(header) > CAR_HEADER_BYTES_MAX:
        raise LimitExceeded("CAR_HEADER_BYTES_MAX", CAR_HEADER_BYTES_MAX, found=len(header))
    return varint.write(len(header)) + header


def car_section(block: Block) -> bytes:
    """Write the section of a block."""
    name = bytes(block.cid)
    return b"".join((varint.write(len(name) + len(block.data)), name, block.data))
