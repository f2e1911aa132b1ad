"""Name content by its hash.

A CID is its binary form: two are equal when their bytes are, they sort by their bytes, and reading
one out of a block copies a slice. `Cid` keeps those bytes and where the digest begins in them; all
else is derived. One that exists is well formed and within the bounds of size. Whether anything can
be verified under it is another matter: its hash or its codec may be unknown here (see `Block`).
"""

from typing import Final, Self, final

from ipvm.errors import InvalidData
from ipvm.ipld import multibase, varint
from ipvm.ipld.multihash import (
    BLAKE3,
    IDENTITY,
    SHA2_256,
    digest_bytes,
    hash_digest,
    hash_name,
)
from ipvm.limits import CID_BYTES_MAX, DIGEST_BYTES_MAX, DIGEST_BYTES_MIN

__all__ = ["DAG_CBOR", "DAG_JSON", "DAG_PB", "RAW", "Cid", "InvalidCid"]

RAW: Final = 0x55
DAG_PB: Final = 0x70
DAG_CBOR: Final = 0x71
DAG_JSON: Final = 0x0129

_V0_PREFIX: Final = bytes((SHA2_256, 32))
_V0_BYTES: Final = 34
_V0_LETTERS: Final = 46
_V1_PREFIX: Final = b"\x01"

_FAMILIAR: Final = {
    bytes((1, codec, hash_code, 32)): (codec, hash_code, 32)
    for codec in (RAW, DAG_PB, DAG_CBOR)
    for hash_code in (SHA2_256, BLAKE3)
}
"""The heads that nearly all CIDs have, which are looked up instead of being taken apart."""
_FAMILIAR_BYTES: Final = 36

_TEXT_LETTERS_MAX: Final = 1 + 8 * CID_BYTES_MAX
"""The longest CID in the base that takes most letters."""

_TEXT_LETTERS_SHOWN: Final = 80


class InvalidCid(InvalidData):
    """The text or the bytes are no CID, or one that exceeds the bounds."""


@final
class Cid:
    """The name of a block: a version, a codec and a hash, as one immutable value.

    Args:
        digest: The digest. It may be cut down to `DIGEST_BYTES_MIN` bytes.
        codec: How the content is to be read, by its number in the multicodec table.
        hash_code: How the content was hashed, likewise.
        version: 1, or 0 for the old form, which is always DAG-PB and SHA2-256.

    Raises:
        InvalidCid: A part is out of bounds, or version 0 cannot say it.
    """

    __slots__ = ("_binary", "_codec", "_digest_start", "_hash_code")

    _binary: bytes
    _codec: int
    _digest_start: int
    _hash_code: int

    def __init__(
        self, digest: bytes, *, codec: int = RAW, hash_code: int = SHA2_256, version: int = 1
    ) -> None:
        if min(codec, hash_code, version) < 0:
            raise InvalidCid("the parts of a CID are not negative")
        multihash = varint.write(hash_code) + varint.write(len(digest)) + digest
        if version:
            self._adopt(varint.write(version) + varint.write(codec) + multihash)
        elif codec == DAG_PB and hash_code == SHA2_256 and len(multihash) == _V0_BYTES:
            self._adopt(multihash)
        else:
            raise InvalidCid("a CID of version 0 names dag-pb by a whole sha2-256 digest")

    def _adopt(self, data: bytes, offset: int = 0) -> int:
        """Become the CID at an offset, and return the offset after it."""
        self._codec, self._hash_code, start, end = _parse(data, offset)
        self._digest_start = start - offset
        self._binary = data[offset:end]
        return end

    def _adopt_familiar(self, data: bytes) -> bool:
        """Become the CID that the bytes are, if its head is familiar and its digest is whole."""
        familiar = _FAMILIAR.get(data[:4])
        if familiar is None:
            return False
        self._codec, self._hash_code, _ = familiar
        self._digest_start = 4
        self._binary = data
        return True

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a CID from text: version 0 in base 58, version 1 in any multibase.

        Raises:
            InvalidCid: The text is anything else; prefixes like `ipfs://` are not taken off.
        """
        if len(text) > _TEXT_LETTERS_MAX:
            raise InvalidCid(f"{len(text)} letters are too many for a CID")
        is_v0 = len(text) == _V0_LETTERS and text.startswith("Qm")
        try:
            data = multibase.decode_base58(text) if is_v0 else multibase.decode(text)
            if data.startswith(_V0_PREFIX) and not is_v0:
                raise InvalidCid("a CID of version 0 has no multibase prefix")
            return cls.decode(data)
        except InvalidData as error:
            shown = text if len(text) <= _TEXT_LETTERS_SHOWN else text[:_TEXT_LETTERS_SHOWN] + "…"
            raise InvalidCid(f"{shown!r} is no CID: {error}") from error

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a CID that fills the bytes.

        Raises:
            InvalidCid: The bytes are no CID, or something follows it.
        """
        cid = cls.__new__(cls)
        if len(data) == _FAMILIAR_BYTES and cid._adopt_familiar(data):  # noqa: SLF001 -- as `read`
            return cid
        end = cid._adopt(data)  # noqa: SLF001
        if end != len(data):
            raise InvalidCid(f"{len(data) - end} bytes follow the CID")
        return cid

    @classmethod
    def read(cls, data: bytes, offset: int = 0) -> tuple[Self, int]:
        """Read the CID at an offset.

        Returns:
            The CID, and the offset after it.

        Raises:
            InvalidCid: There is none.
        """
        cid = cls.__new__(cls)
        return cid, cid._adopt(data, offset)  # noqa: SLF001 -- a constructor beside the one above

    @classmethod
    def of(
        cls, data: bytes, *, codec: int = RAW, hash_code: int = SHA2_256, version: int = 1
    ) -> Self:
        """Name data, which is not checked against the codec.

        Raises:
            UnknownHash: The hash is not known here.
            InvalidCid: It is `identity`, and the data is longer than `DIGEST_BYTES_MAX`; or version
                0 cannot say it.
        """
        digest = hash_digest(data, hash_code)
        return cls(digest, codec=codec, hash_code=hash_code, version=version)

    @property
    def version(self) -> int:
        """0 or 1."""
        return 1 if self._binary.startswith(_V1_PREFIX) else 0

    @property
    def codec(self) -> int:
        """How the content is to be read, by its number in the multicodec table."""
        return self._codec

    @property
    def hash_code(self) -> int:
        """How the content was hashed, by its number in the multicodec table."""
        return self._hash_code

    @property
    def digest(self) -> bytes:
        """The digest; of an identity CID, the content."""
        return self._binary[self._digest_start :]

    @property
    def multihash(self) -> bytes:
        """The digest behind its hash code and its length: what remains without the codec."""
        if self.version == 0:
            return self._binary
        return self._binary[1 + len(varint.write(self._codec)) :]

    @property
    def is_identity(self) -> bool:
        """Whether the CID carries the content itself, so that nothing needs to be fetched."""
        return self._hash_code == IDENTITY

    def __bytes__(self) -> bytes:
        return self._binary

    def __str__(self) -> str:
        if self.version == 0:
            return multibase.base58(self._binary)
        return "b" + multibase.base32(self._binary)

    def __repr__(self) -> str:
        return f"Cid.parse({str(self)!r})"

    def __hash__(self) -> int:
        return hash(self._binary)

    def __eq__(self, other: object) -> bool:
        return self._binary == other._binary if isinstance(other, Cid) else NotImplemented

    def __lt__(self, other: "Cid") -> bool:
        return self._binary < other._binary

    def __le__(self, other: "Cid") -> bool:
        return self._binary <= other._binary

    def __gt__(self, other: "Cid") -> bool:
        return self._binary > other._binary

    def __ge__(self, other: "Cid") -> bool:
        return self._binary >= other._binary


def _parse(data: bytes, offset: int) -> tuple[int, int, int, int]:
    """Read the head of the CID at an offset: codec, hash, start and end of the digest."""
    familiar = _FAMILIAR.get(data[offset : offset + 4])
    if familiar:
        codec, hash_code, size, start = *familiar, offset + 4
    else:
        codec, hash_code, size, start = _parse_head(data, offset)
        _check_digest(hash_code, size)
    end = start + size
    if end > len(data):
        raise InvalidCid(f"the digest of a CID is cut off: {len(data) - start} of {size} bytes")
    return codec, hash_code, start, end


def _parse_head(data: bytes, offset: int) -> tuple[int, int, int, int]:
    try:
        codec, position = DAG_PB, offset
        if not data.startswith(_V0_PREFIX, offset):
            version, position = varint.read(data, offset)
            if version != 1:
                raise InvalidCid(f"a CID has version 0 or 1, not {version}")
            codec, position = varint.read(data, position)
        hash_code, position = varint.read(data, position)
        size, start = varint.read(data, position)
    except varint.InvalidVarint as error:
        raise InvalidCid(f"the head of a CID is malformed: {error}") from error
    return codec, hash_code, size, start


def _check_digest(hash_code: int, size: int) -> None:
    if size > DIGEST_BYTES_MAX:
        raise InvalidCid(f"a digest of {size} bytes is longer than {DIGEST_BYTES_MAX}")
    whole = digest_bytes(hash_code)
    if whole is not None and not DIGEST_BYTES_MIN <= size <= whole:
        name = hash_name(hash_code)
        raise InvalidCid(f"a digest of {name} has {DIGEST_BYTES_MIN} to {whole} bytes, not {size}")
