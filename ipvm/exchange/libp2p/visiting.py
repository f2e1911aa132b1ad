"""Visit peers to ask them something, as the DHT does: a Network for it.

Who is dialled for that is no peer to exchange blocks with: nobody is told of it, and the connection
is closed after the visit, unless it has become one that is to stay.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, final

import trio
from libp2p.abc import IHost, INetConn
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.rcmgr import Direction
from libp2p.utils.address_validation import expand_wildcard_address
from multiaddr import Multiaddr

from ipvm.exchange.bitswap import PeersUnavailable
from ipvm.exchange.dht import PROTOCOLS, Asker, Contact, Scope, Visit
from ipvm.exchange.dht.contacts import Endpoint, endpoints_of, scope_of, usable
from ipvm.exchange.libp2p.stream import CLOSE_SECONDS, Libp2pStream

__all__ = ["Visiting", "addresses_of"]

_LOG: Final = logging.getLogger(__name__)


@final
class _Visited:
    """A peer that is being visited.

    Attributes:
        visits: How many visits there are.
        dialling: Is held by the one that dials or closes.
        stays: Whether the connection stays when they are over.
    """

    __slots__ = ("dialling", "stays", "visits")

    def __init__(self, *, stays: bool) -> None:
        self.visits = 0
        self.dialling = trio.Lock()
        self.stays = stays


@final
class Visiting:
    """Peers that are asked something over connections of their own, if there is no other.

    Args:
        host: The host.
        connect: Connects to a peer at some addresses, and raises PeersUnavailable.
    """

    def __init__(self, host: IHost, connect: Callable[[Sequence[str]], Awaitable[str]]) -> None:
        self._host = host
        self._connect = connect
        self._visited: dict[ID, _Visited] = {}

    @property
    def peer_id(self) -> bytes:
        """The bytes of our ID."""
        return bytes(self._host.get_id().to_bytes())

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where we listen."""
        return endpoints_of(addresses_of(self._host))

    def neighbours(self) -> list[Asker]:
        """Give the peers that are connected, and not only for a visit."""
        peers = self._host.get_connected_peers()
        return [self.asker(each) for each in peers if each not in self._visited]

    def asker(self, peer: ID) -> Asker:
        """Tell what is known of a connected peer."""
        scope, store = self._scope(peer), self._host.get_peerstore()
        try:
            addresses = [str(each) for each in store.addrs(peer)]
            served = [each for each in store.get_protocols(peer) if each in PROTOCOLS]
        except Exception as error:  # noqa: BLE001 - it has said nothing of itself
            _LOG.debug("nothing is known of a peer: %s", error)
            addresses, served = [], []
        endpoints = usable(endpoints_of(addresses), by=scope)
        return Asker(Contact(peer.to_bytes(), endpoints), scope, served)

    def is_only_visit(self, connection: INetConn) -> bool:
        """Whether a connection is for a visit, and to nobody's interest."""
        peer = connection.muxed_conn.peer_id
        return peer in self._visited and connection.direction != Direction.INBOUND

    def keep(self, name: str) -> None:
        """Do not close the connections to a peer after a visit."""
        if visited := self._visited.get(ID.from_string(name)):
            visited.stays = True

    @asynccontextmanager
    async def visit(self, contact: Contact, protocol: str) -> AsyncIterator[Visit]:
        """Open a stream to a peer; what was connected for it is closed afterwards."""
        peer = ID(contact.id)
        visited = self._visited.get(peer)
        if visited is None:
            visited = self._visited[peer] = _Visited(stays=bool(self._connections(peer)))
        visited.visits += 1
        try:
            async with visited.dialling:
                if not self._connections(peer):
                    await self._dial(peer, contact.addresses)
            stream = await self._open(peer, protocol)
            try:
                yield Visit(stream, self._scope(peer))
            finally:
                await stream.close()
        finally:
            visited.visits -= 1
            if not visited.visits:
                await self._leave(peer, visited)

    async def _dial(self, peer: ID, addresses: Sequence[str]) -> None:
        if not addresses:
            raise PeersUnavailable(f"nobody says where the peer {peer} is")
        network = self._host.get_network()
        for closed in network.get_connections(
            peer
        ):  # one whose end was cut short would stay for ever
            network.remove_conn(closed)
        self._forget(peer)  # where it has said itself to be is not checked
        await self._connect(addresses)

    async def _open(self, peer: ID, protocol: str) -> Libp2pStream:
        try:
            return Libp2pStream(await self._host.new_stream(peer, [TProtocol(protocol)]))
        except Exception as error:
            raise PeersUnavailable(f"the peer {peer} does not speak {protocol}") from error

    async def _leave(self, peer: ID, visited: _Visited) -> None:
        """Close what was connected for visits. Who comes meanwhile waits, and dials anew."""
        with trio.CancelScope(shield=True), trio.move_on_after(CLOSE_SECONDS):
            async with visited.dialling:
                if not (visited.visits or visited.stays):
                    await self._close(peer)
        if not visited.visits and self._visited.get(peer) is visited:
            del self._visited[peer]
            if not self._connections(peer):
                self._forget(peer)

    async def _close(self, peer: ID) -> None:
        for connection in self._connections(peer):
            if connection.direction != Direction.INBOUND:
                try:
                    await connection.close()
                except Exception as error:  # noqa: BLE001 - it is gone, then
                    _LOG.debug("closing a connection: %s", error)

    def _forget(self, peer: ID) -> None:
        store = self._host.get_peerstore()
        if peer in store.peer_ids():
            store.clear_peerdata(peer)

    def _connections(self, peer: ID) -> list[INetConn]:
        connections = self._host.get_network().get_connections(peer)
        return [each for each in connections if not each.is_closed]

    def _scope(self, peer: ID) -> Scope:
        """Tell from where we reach a peer: from the world, if that cannot be told."""
        for connection in self._connections(peer):
            remote = connection.muxed_conn.get_remote_address()
            if remote is not None:
                scope = scope_of(remote[0])
                return Scope.WORLD if scope is None else scope
        return Scope.WORLD


def addresses_of(host: IHost) -> list[str]:
    """Give the addresses of a host, each with its ID. One that stands for all is replaced by them."""
    peer, found = host.get_id(), list[str]()
    for address in host.get_addrs():
        text = str(address).partition("/p2p/")[0]
        if text.startswith(("/ip4/0.0.0.0/", "/ip6/::/")):
            found += [str(each) for each in expand_wildcard_address(Multiaddr(text))]
        else:
            found.append(text)
    return [f"{each}/p2p/{peer}" for each in dict.fromkeys(found)]
