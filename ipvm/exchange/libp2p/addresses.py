"""Read the addresses of peers, and those to listen at."""

from collections.abc import Sequence

import trio
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from multiaddr import Multiaddr

from ipvm.errors import Refused
from ipvm.exchange.peers import InvalidPeerAddress

__all__ = ["parse_listened", "parse_peer", "require_addresses", "require_free"]


def require_addresses(peers: Sequence[str], listen: Sequence[str]) -> None:
    """Look whether addresses make sense.

    Args:
        peers: Addresses of peers.
        listen: Addresses to listen at.

    Raises:
        InvalidPeerAddress: One does not.
    """
    for text in peers:
        parse_peer(text)
    for text in listen:
        parse_listened(text)


def parse_peer(text: str) -> PeerInfo:
    """Read the address of a peer."""
    address = _multiaddr(text)
    try:
        return info_from_p2p_addr(address)
    except Exception as error:
        raise InvalidPeerAddress(text, error) from error


async def require_free(address: Multiaddr) -> None:
    """Look whether nobody listens there: the library would share the port, and get half of the peers."""
    port = int(address.value_for_protocol("tcp"))
    protocol = "ip6" if "ip6" in [each.name for each in address.protocols()] else "ip4"
    family = trio.socket.AF_INET6 if protocol == "ip6" else trio.socket.AF_INET
    with trio.socket.socket(family) as probe:
        probe.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_REUSEADDR, 1)
        try:
            await probe.bind((address.value_for_protocol(protocol), port))
        except OSError as error:
            raise Refused(f"cannot listen at {address}: {error.strerror}") from error


def parse_listened(text: str) -> Multiaddr:
    """Read an address to listen at."""
    address = _multiaddr(text)
    parts = [each.name for each in address.protocols()]
    if parts not in (["ip4", "tcp"], ["ip6", "tcp"]):
        raise InvalidPeerAddress(text, "to listen at, it is like /ip4/0.0.0.0/tcp/4001")
    return address


def _multiaddr(text: str) -> Multiaddr:
    try:
        return Multiaddr(text)
    except Exception as error:
        raise InvalidPeerAddress(text, error) from error
