"""Read what strangers tell of peers, and believe no more of it than they can know.

Peers have places in one space, by the SHA-256 of their IDs, and so have keys; how far two places are
from each other is their XOR, as a number.

An address is only taken from somebody who can reach it himself: who speaks to us over the internet
names addresses of the internet, and not those of this machine or of the networks around it. So no
stranger lets us knock at doors that he cannot see.
"""

from collections.abc import Iterable
from enum import IntEnum
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

from ipvm.exchange.dht.message import Told
from ipvm.ipld import multibase, varint
from ipvm.limits import DHT_ADDRESSES_KEPT_MAX

__all__ = [
    "Contact",
    "Endpoint",
    "Scope",
    "contact_of",
    "endpoints_of",
    "place_of",
    "scope_of",
    "tell",
    "usable",
]

_IP4, _TCP, _IP6, _P2P = 0x04, 0x06, 0x29, 0x01A5
_ID_HEADS: Final = ((b"\x00\x24\x08\x01\x12\x20", 38), (b"\x00\x25\x08\x02\x12\x21", 39))
_ID_HASHED: Final = (b"\x12\x20", 34)
_TRANSLATED: Final = "64:ff9b::"


class Scope(IntEnum):
    """From where an address can be reached."""

    MACHINE = 0
    NETWORK = 1
    WORLD = 2


class Endpoint(NamedTuple):
    """Where a peer listens for TCP."""

    host: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        return f"/ip{self.host.version}/{self.host}/tcp/{self.port}"

    def __bytes__(self) -> bytes:
        code = _IP4 if self.host.version == 4 else _IP6  # noqa: PLR2004 - of IP
        return bytes((code,)) + self.host.packed + bytes((_TCP,)) + self.port.to_bytes(2)


class Contact(NamedTuple):
    """A peer, and where it can be reached.

    Attributes:
        id: The bytes of its ID.
        endpoints: Where it listens; nowhere, when it can be asked because it is connected.
    """

    id: bytes
    endpoints: tuple[Endpoint, ...]

    @property
    def name(self) -> str:
        """Its ID, as people write it."""
        return multibase.base58(self.id)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses, as people write them, with its ID."""
        name = self.name
        return tuple(f"{endpoint}/p2p/{name}" for endpoint in self.endpoints)


def place_of(key: bytes) -> int:
    """Give the place of a key, or of the ID of a peer."""
    return int.from_bytes(sha256(key).digest())


def scope_of(host: str) -> Scope | None:
    """Tell from where the address of a host can be reached; None if nobody should connect to it."""
    try:
        return _scope(ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def _scope(host: IPv4Address | IPv6Address) -> Scope | None:
    if isinstance(host, IPv6Address):
        if host.ipv4_mapped is not None:
            return _scope(host.ipv4_mapped)
        if host.sixtofour or host.teredo or str(host).startswith(_TRANSLATED):
            return None  # behind it is an address that is not looked at
    if host.is_unspecified or host.is_multicast or host.is_link_local:
        return None
    if host.is_loopback:
        return Scope.MACHINE
    if host.is_global:
        return Scope.WORLD
    return None if host.is_reserved else Scope.NETWORK


def contact_of(told: Told, *, by: Scope) -> Contact | None:
    """Make a contact of what somebody tells; None if the ID is none.

    Args:
        told: What is told.
        by: From where we reach who tells it. Addresses that he cannot know are left out.
    """
    if not _is_peer_id(told.id):
        return None
    read = [_read_endpoint(address, told.id) for address in told.addresses]
    return Contact(told.id, usable((each for each in read if each is not None), by=by))


def usable(endpoints: Iterable[Endpoint], *, by: Scope) -> tuple[Endpoint, ...]:
    """Choose those that can be reached from there, or from farther away; not more than are kept."""
    found: dict[Endpoint, None] = {}
    for endpoint in endpoints:
        scope = _scope(endpoint.host)
        if scope is not None and scope >= by:
            found[endpoint] = None
    return tuple(found)[:DHT_ADDRESSES_KEPT_MAX]


def tell(contact: Contact, *, to: Scope) -> Told:
    """Say of a contact what somebody there can use."""
    return Told(contact.id, tuple(bytes(each) for each in usable(contact.endpoints, by=to)))


def endpoints_of(addresses: Iterable[str]) -> tuple[Endpoint, ...]:
    """Read addresses as people write them; what is not `/ip4/…/tcp/…` or `/ip6/…/tcp/…` is left out."""
    found = []
    for address in addresses:
        parts = address.partition("/p2p/")[0].split("/")
        if len(parts) == 5 and parts[1] in {"ip4", "ip6"} and parts[3] == "tcp":  # noqa: PLR2004
            try:
                endpoint = Endpoint(ip_address(parts[2]), int(parts[4]))
            except ValueError:
                continue
            if _scope(endpoint.host) is not None:
                found.append(endpoint)
    return tuple(found)


def _read_endpoint(address: bytes, peer: bytes) -> Endpoint | None:
    """Read an address of TCP over IP; None if it is another, or that of another peer."""
    size = {_IP4: 4, _IP6: 16}.get(address[0]) if address else None
    if size is None or len(address) < size + 4 or address[size + 1] != _TCP:
        return None
    host = IPv4Address(address[1:5]) if size == 4 else IPv6Address(address[1:17])  # noqa: PLR2004
    port = int.from_bytes(address[size + 2 : size + 4])
    rest = address[size + 4 :]
    if not port or rest not in {b"", varint.write(_P2P) + varint.write(len(peer)) + peer}:
        return None
    return Endpoint(host, port)


def _is_peer_id(peer: bytes) -> bool:
    """Whether bytes are an ID: a key of Ed25519 or secp256k1 as it is, or the hash of any."""
    if any(len(peer) == size and peer.startswith(head) for head, size in _ID_HEADS):
        return True
    return len(peer) == _ID_HASHED[1] and peer.startswith(_ID_HASHED[0])
