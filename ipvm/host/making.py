"""What becomes of bytes that a guest makes a block of. It needs no store, and runs on any thread."""

from typing import Final

from ipvm.host.error_number import ErrorNumber
from ipvm.host.kernel import OpenBlock
from ipvm.ipld import CODECS, Block, Cid, InvalidCid, InvalidEncoding, check
from ipvm.limits import DIGEST_BYTES_MIN

__all__ = ["linked", "verdict"]

_CODECS: Final = frozenset(CODECS.values())


def verdict(codec: int, data: bytes) -> ErrorNumber:
    """Say whether bytes are valid under a codec."""
    if codec not in _CODECS:
        return ErrorNumber.ILLEGAL_CODEC
    try:
        check(data, codec)
    except InvalidEncoding:
        return ErrorNumber.SERIALIZATION
    return ErrorNumber.OK


def linked(opened: OpenBlock, hash_code: int, digest_size: int) -> Block:
    """Name a block by a digest of that size.

    Raises:
        InvalidData: There is no such digest.
    """
    block = Block.of(opened.data, codec=opened.codec, hash_code=hash_code)
    digest = block.cid.digest
    if not DIGEST_BYTES_MIN <= digest_size <= len(digest):
        raise InvalidCid(f"there is no digest of {digest_size} bytes")
    if digest_size == len(digest):
        return block
    cut = Cid(digest[:digest_size], codec=opened.codec, hash_code=hash_code)
    return Block(cut, opened.data)
