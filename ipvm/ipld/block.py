"""Hold bytes together with the CID that they were checked against.

This is the one place where content is verified. Bytes from a peer, a disk or a guest are bytes until
a `Block` is made of them, and a `Block` that exists matches its CID. It need not be valid under its
codec: a block is what was hashed, and `decode` says whether it can be read.
"""

from typing import Self, final

from ipvm.errors import InvalidData, NotFound
from ipvm.ipld import codecs
from ipvm.ipld.cid import DAG_CBOR, RAW, Cid
from ipvm.ipld.multihash import SHA2_256, matches
from ipvm.ipld.value import Value
from ipvm.limits import BLOCK_BYTES_MAX

__all__ = ["Block", "BlockMismatch", "BlockNotFound"]


class BlockMismatch(InvalidData):
    """The bytes do not hash to the CID.

    Attributes:
        cid: What was asked for.
    """

    def __init__(self, cid: Cid) -> None:
        self.cid = cid
        super().__init__(f"the data does not match the CID {cid}")


class BlockNotFound(NotFound):
    """The block is not here, and nobody who was asked has it.

    Attributes:
        cid: What was asked for.
    """

    def __init__(self, cid: Cid) -> None:
        self.cid = cid
        super().__init__(f"no block {cid}")


@final
class Block:
    """Bytes that match their CID.

    Args:
        cid: The name.
        data: The bytes, which are hashed here.

    Raises:
        BlockMismatch: They hash to something else.
        UnknownHash: The hash of the CID is not known here, so nothing can be verified under it.
        InvalidData: There are more than `BLOCK_BYTES_MAX` of them.
    """

    __slots__ = ("_cid", "_data")

    _cid: Cid
    _data: bytes

    def __init__(self, cid: Cid, data: bytes) -> None:
        _check_size(data)
        if not matches(data, cid.hash_code, cid.digest):
            raise BlockMismatch(cid)
        self._cid = cid
        self._data = data

    @classmethod
    def of(
        cls, data: bytes, *, codec: int = RAW, hash_code: int = SHA2_256, version: int = 1
    ) -> Self:
        """Name data, by a CID of this version. It is not checked against the codec.

        Raises:
            UnknownHash: The hash is not known here.
            InvalidCid: The data is too long for an identity CID; or version 0 cannot say it.
            InvalidData: The data is longer than `BLOCK_BYTES_MAX`.
        """
        _check_size(data)
        block = cls.__new__(cls)
        # Hashed once: the constructor would do it again.
        block._cid = Cid.of(data, codec=codec, hash_code=hash_code, version=version)  # noqa: SLF001
        block._data = data  # noqa: SLF001
        return block

    @classmethod
    def encode(cls, value: Value, *, codec: int = DAG_CBOR, hash_code: int = SHA2_256) -> Self:
        """Write a value under a codec, and name the bytes.

        Raises:
            InvalidEncoding: The codec cannot say this value.
            InvalidData: As for `of`.
        """
        return cls.of(codecs.encode(value, codec), codec=codec, hash_code=hash_code)

    @property
    def cid(self) -> Cid:
        """The name."""
        return self._cid

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self._data

    def decode(self) -> Value:
        """Read the value.

        Raises:
            InvalidEncoding: The bytes are not valid under the codec, or it is not known here.
        """
        return codecs.decode(self._data, self._cid.codec)

    def links(self) -> tuple[Cid, ...]:
        """List the CIDs in it, in order of appearance, repeated where they are.

        Raises:
            InvalidEncoding: The bytes are not valid under the codec, or it is not known here.
        """
        return codecs.links(self._data, self._cid.codec)

    def __eq__(self, other: object) -> bool:
        return self._cid == other._cid if isinstance(other, Block) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._cid)

    def __repr__(self) -> str:
        return f"<Block {self._cid}, {len(self._data)} bytes>"


def _check_size(data: bytes) -> None:
    if len(data) > BLOCK_BYTES_MAX:
        raise InvalidData(f"a block has at most {BLOCK_BYTES_MAX} bytes, not {len(data)}")
