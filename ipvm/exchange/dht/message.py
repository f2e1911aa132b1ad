"""Read and write the messages of the Kademlia DHT of IPFS.

A message is a question or an answer, of the same shape: what it is, the key that it is about, peers
near to the key, and peers that provide what has the key. Of what a message tells, only the first
peers are read, and of a peer only the first addresses.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from ipvm.exchange.protobuf import InvalidMessage, read_field, read_number, sized
from ipvm.ipld import varint
from ipvm.limits import DHT_ADDRESSES_READ_MAX, DHT_KEY_BYTES_MAX, DHT_PEERS_READ_MAX

__all__ = ["DhtMessage", "Kind", "Told", "read_message", "write_message"]

_KIND, _KEY, _CLOSER, _PROVIDERS = 0x08, 0x12, 0x42, 0x4A
_ID, _ADDRESS = 0x0A, 0x12


class Kind(IntEnum):
    """What a message is. Those without a meaning here concern records, which are not kept."""

    PUT_VALUE = 0
    GET_VALUE = 1
    ADD_PROVIDER = 2
    GET_PROVIDERS = 3
    FIND_NODE = 4
    PING = 5


class Told(NamedTuple):
    """A peer that somebody tells of.

    Attributes:
        id: The bytes of its ID.
        addresses: Its addresses, as bytes.
    """

    id: bytes
    addresses: tuple[bytes, ...]


@dataclass(slots=True)
class DhtMessage:
    """What is said at once.

    Attributes:
        kind: What it is: one of `Kind`, or a number that is not known.
        key: What it is about: a multihash, or the ID of a peer.
        closer: Peers near to the key.
        providers: Peers that have what the key names.
    """

    kind: int
    key: bytes = b""
    closer: list[Told] = field(default_factory=list)
    providers: list[Told] = field(default_factory=list)


def write_message(message: DhtMessage) -> bytes:
    """Spell a message, with its length before it."""
    parts = [b"\x08" + varint.write(message.kind), b"\x12" + sized(message.key)]
    parts += [b"\x42" + sized(_told(told)) for told in message.closer]
    parts += [b"\x4a" + sized(_told(told)) for told in message.providers]
    return sized(b"".join(parts))


def _told(told: Told) -> bytes:
    return b"\x0a" + sized(told.id) + b"".join(b"\x12" + sized(each) for each in told.addresses)


def read_message(content: bytes) -> DhtMessage:
    """Read a message, which is given without its length.

    Of each kind of peers, only the first `DHT_PEERS_READ_MAX` are read.

    Raises:
        InvalidMessage: It is cut off, or a field has another type than it should have.
    """
    message, at, end = DhtMessage(Kind.PUT_VALUE), 0, len(content)
    while at < end:
        tag, at, stop = read_field(content, at, end)
        if tag == _KIND:
            message.kind = read_number(content, at, stop)
        elif tag == _KEY:
            message.key = _bounded(content, at, stop)
        elif tag in {_CLOSER, _PROVIDERS}:
            several = message.closer if tag == _CLOSER else message.providers
            if len(several) < DHT_PEERS_READ_MAX:
                several.append(_read_told(content, at, stop))
        elif tag >> 3 in {1, 2, 8, 9}:
            raise InvalidMessage("a field of a message of the DHT has another type")
        at = stop
    return message


def _read_told(content: bytes, at: int, end: int) -> Told:
    peer, addresses = b"", list[bytes]()
    while at < end:
        tag, at, stop = read_field(content, at, end)
        if tag == _ID:
            peer = _bounded(content, at, stop)
        elif tag == _ADDRESS and len(addresses) < DHT_ADDRESSES_READ_MAX:
            addresses.append(content[at:stop])
        at = stop
    return Told(peer, tuple(addresses))


def _bounded(content: bytes, at: int, end: int) -> bytes:
    if end - at > DHT_KEY_BYTES_MAX:
        raise InvalidMessage("a key in a message of the DHT is too long")
    return content[at:end]
