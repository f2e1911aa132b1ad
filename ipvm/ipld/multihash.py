"""Hash bytes with the functions that a CID may name.

This table decides what can be verified, and so what can be a block: a CID over any other hash can be
read and printed, and nothing can be stored under it. `identity` is no hash, its digest is the data.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from ipvm.errors import InvalidData

__all__ = [
    "BLAKE2B_256",
    "BLAKE3",
    "HASHES",
    "IDENTITY",
    "SHA2_256",
    "SHA2_512",
    "SHA3_256",
    "UnknownHash",
    "digest_bytes",
    "hash_digest",
    "hash_name",
    "keyed_blake3",
    "matches",
]

IDENTITY: Final = 0x00
SHA2_256: Final = 0x12
SHA2_512: Final = 0x13
SHA3_256: Final = 0x16
BLAKE3: Final = 0x1E
BLAKE2B_256: Final = 0xB220

HASHES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "identity": IDENTITY,
        "sha2-256": SHA2_256,
        "sha2-512": SHA2_512,
        "sha3-256": SHA3_256,
        "blake3": BLAKE3,
        "blake2b-256": BLAKE2B_256,
    }
)
"""Every hash that is known here, by the name that the multicodec table gives it."""

_NAMES: Final = {code: name for name, code in HASHES.items()}


class UnknownHash(InvalidData):
    """Nothing can be verified or made under this hash, because it is not known here.

    Attributes:
        hash_code: Its number in the multicodec table.
    """

    def __init__(self, hash_code: int) -> None:
        self.hash_code = hash_code
        known = ", ".join(HASHES)
        super().__init__(f"the hash {hash_name(hash_code)} is not known here (known: {known})")


def _blake3(data: bytes | memoryview) -> bytes:
    from blake3 import blake3  # noqa: PLC0415 -- few need it, and `import ipvm` stays fast

    return blake3(data).digest()


_FUNCTIONS: Final[Mapping[int, tuple[int, Callable[[bytes | memoryview], bytes]]]] = {
    SHA2_256: (32, lambda data: hashlib.sha256(data).digest()),
    SHA2_512: (64, lambda data: hashlib.sha512(data).digest()),
    SHA3_256: (32, lambda data: hashlib.sha3_256(data).digest()),
    BLAKE3: (32, _blake3),
    BLAKE2B_256: (32, lambda data: hashlib.blake2b(data, digest_size=32).digest()),
}


def hash_name(hash_code: int) -> str:
    """Name a hash: as the multicodec table does if it is known here, else by its number."""
    return _NAMES.get(hash_code) or f"0x{hash_code:x}"


def digest_bytes(hash_code: int) -> int | None:
    """Tell the length of a whole digest in bytes; None where there is none or it is not known."""
    known = _FUNCTIONS.get(hash_code)
    return known[0] if known else None


def hash_digest(data: bytes | memoryview, hash_code: int) -> bytes:
    """Hash data. The digest is whole; that of `identity` is the data.

    Raises:
        UnknownHash: The hash is not known here.
    """
    if hash_code == IDENTITY:
        return bytes(data)
    known = _FUNCTIONS.get(hash_code)
    if known is None:
        raise UnknownHash(hash_code)
    return known[1](data)


def keyed_blake3(key: bytes, parts: Iterable[bytes | bytearray | memoryview]) -> bytes:
    """Authenticate bytes with a key of 32 bytes: the keyed mode of BLAKE3, 5 GB/s.

    Each part is taken before the next is asked for.
    """
    from blake3 import blake3  # noqa: PLC0415 -- few need it, and `import ipvm` stays fast

    hasher = blake3(key=key)
    for part in parts:
        hasher.update(part)
    return hasher.digest()


def matches(data: bytes | memoryview, hash_code: int, digest: bytes) -> bool:
    """Tell whether data has this digest, or one that was cut down to it.

    Raises:
        UnknownHash: The hash is not known here.
    """
    found = hash_digest(data, hash_code)
    return found == digest or (hash_code != IDENTITY and found.startswith(digest))
