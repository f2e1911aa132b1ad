"""Read and write the messages of Bitswap 1.1.0 and 1.2.0.

A message is a protobuf with four parts: what its sender wants, blocks, and who has what. Each block
goes with the prefix of its CID, all of it but the digest, so that the receiver has to hash the block
to learn which it is. Fields that are not known here are skipped, as protobuf demands.

What a message may make its reader do is bounded: by its length, by the wants that are looked at, and
by nothing being made of a block but one copy.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from ipvm.errors import InvalidData
from ipvm.exchange.protobuf import InvalidMessage, read_field, read_number, sized
from ipvm.ipld import Cid, hash_digest, varint
from ipvm.limits import BITSWAP_WANTS_READ_MAX, CID_BYTES_MAX

__all__ = [
    "InvalidMessage",
    "Message",
    "Want",
    "multihash_of",
    "prefix_of",
    "read_message",
    "write_message",
]

_WANTLIST, _PAYLOAD, _PRESENCE = 0x0A, 0x1A, 0x22
"""Tags, the number and the type of a field. Field 2 of a message is that of 1.0.0, which is not spoken."""
_ENTRY, _FULL = 0x0A, 0x10
_CID, _CANCEL, _HAVE, _ANSWER = 0x0A, 0x18, 0x20, 0x28
_PREFIX, _DATA = 0x0A, 0x12
_LACKS = 0x10

_V0_PREFIX: Final = bytes((0, 0x70, 0x12, 0x20))
_V0_HEAD: Final = _V0_PREFIX[2:]
_PREFIXES_KEPT: Final = 256


class Want(NamedTuple):
    """One entry of a list of wants.

    Attributes:
        cid: What is wanted, by its bytes.
        have: Whether it is enough to say who has it; else the block is to be sent.
        cancel: It is not wanted any more.
        answer: Whether "I have it not" is to be said, too. It is always asked for by what is written.
    """

    cid: bytes
    have: bool = False
    cancel: bool = False
    answer: bool = True


@dataclass(slots=True)
class Message:
    """What is said at once.

    Attributes:
        wants: What the sender wants of the receiver, or does not any more.
        full: The wants are all that there are, not changes to those that were said before.
        blocks: Blocks, each with the prefix of its CID.
        haves: CIDs of blocks that the sender has.
        lacks: CIDs of blocks that it has not.
    """

    wants: list[Want] = field(default_factory=list)
    full: bool = False
    blocks: list[tuple[bytes, bytes]] = field(default_factory=list)
    haves: list[bytes] = field(default_factory=list)
    lacks: list[bytes] = field(default_factory=list)


def write_message(message: Message) -> bytes:
    """Spell a message, with its length before it."""
    parts: list[bytes] = []
    if message.wants or message.full:
        entries = [b"\x0a" + sized(_want(want)) for want in message.wants]
        if message.full:
            entries.append(b"\x10\x01")
        parts.append(b"\x0a" + sized(b"".join(entries)))
    for prefix, data in message.blocks:
        head = b"\x0a" + sized(prefix) + b"\x12" + varint.write(len(data))
        parts += (b"\x1a", varint.write(len(head) + len(data)), head, data)
    parts += [b"\x22" + sized(b"\x0a" + sized(cid)) for cid in message.haves]
    parts += [b"\x22" + sized(b"\x0a" + sized(cid) + b"\x10\x01") for cid in message.lacks]
    return b"".join((varint.write(sum(map(len, parts))), *parts))


def _want(want: Want) -> bytes:
    cid = b"\x0a" + sized(want.cid)
    if want.cancel:
        return cid + b"\x18\x01"
    kind = b"\x10\x01\x20\x01" if want.have else b"\x10\x01"
    return cid + kind + b"\x28\x01" if want.answer else cid + kind


def read_message(content: bytes) -> Message:
    """Read a message, which is given without its length.

    Of the wants, only the first `BITSWAP_WANTS_READ_MAX` are read.

    Raises:
        InvalidMessage: It is cut off, or a field has another type than it should have.
    """
    message, at, end = Message(), 0, len(content)
    while at < end:
        tag, at, stop = read_field(content, at, end)
        if tag == _PAYLOAD:
            message.blocks.append(_read_block(content, at, stop))
        elif tag == _PRESENCE:
            cid, lacks = _read_presence(content, at, stop)
            (message.lacks if lacks else message.haves).append(cid)
        elif tag == _WANTLIST:
            _read_wants(content, at, stop, message)
        elif tag >> 3 in {1, 3, 4}:
            raise InvalidMessage("a field of a Bitswap message has another type")
        at = stop
    return message


def _read_wants(content: bytes, at: int, end: int, message: Message) -> None:
    while at < end and len(message.wants) < BITSWAP_WANTS_READ_MAX:
        tag, at, stop = read_field(content, at, end)
        if tag == _ENTRY:
            message.wants.append(_read_want(content, at, stop))
        elif tag == _FULL:
            message.full = read_number(content, at, stop) != 0
        at = stop


def _read_want(content: bytes, at: int, end: int) -> Want:
    cid, cancel, have, answer = b"", False, False, False
    while at < end:
        tag, at, stop = read_field(content, at, end)
        if tag == _CID:
            cid = content[at:stop]
        elif tag == _CANCEL:
            cancel = read_number(content, at, stop) != 0
        elif tag == _HAVE:
            have = read_number(content, at, stop) == 1
        elif tag == _ANSWER:
            answer = read_number(content, at, stop) != 0
        at = stop
    return Want(_checked(cid), have, cancel, answer)


def _read_block(content: bytes, at: int, end: int) -> tuple[bytes, bytes]:
    prefix = data = b""
    while at < end:
        tag, at, stop = read_field(content, at, end)
        if tag == _PREFIX:
            prefix = _checked(content[at : min(stop, at + CID_BYTES_MAX + 1)])
        elif tag == _DATA:
            data = content[at:stop]
        at = stop
    return prefix, data


def _read_presence(content: bytes, at: int, end: int) -> tuple[bytes, bool]:
    cid, lacks = b"", False
    while at < end:
        tag, at, stop = read_field(content, at, end)
        if tag == _CID:
            cid = content[at:stop]
        elif tag == _LACKS:
            lacks = read_number(content, at, stop) == 1
        at = stop
    return _checked(cid), lacks


def _checked(cid: bytes) -> bytes:
    if len(cid) > CID_BYTES_MAX:
        raise InvalidMessage("a CID in a Bitswap message is too long")
    return cid


def prefix_of(cid: Cid) -> bytes:
    """Give the prefix that a block of this CID is sent with."""
    if cid.version == 0:
        return _V0_PREFIX
    return bytes(cid)[: -len(cid.digest)]


def multihash_of(prefix: bytes, data: bytes) -> bytes | None:
    """Hash a block that came with a prefix, and give its multihash; None if the prefix is none.

    The version and the codec do not matter: whatever form of its CID was asked for, the bytes are those.
    """
    parsed = _parse_prefix(prefix)
    if parsed is None:
        return None
    head, hash_code, size = parsed
    return head + hash_digest(data, hash_code)[:size]


@lru_cache(_PREFIXES_KEPT)
def _parse_prefix(prefix: bytes) -> tuple[bytes, int, int] | None:
    """Take a prefix apart: the head of the multihash, the hash, and the length of the digest."""
    if prefix in {b"", _V0_PREFIX}:  # some leave it out where there is only one that it could be
        prefix = _V0_HEAD
    size = prefix[-1]
    try:
        # The CID of zeros with this prefix is well formed if, and only if, the prefix is.
        cid = Cid.decode(prefix + bytes(size))
        hash_digest(b"", cid.hash_code)
    except InvalidData:
        return None
    return None if cid.is_identity else (cid.multihash[:-size], cid.hash_code, size)
