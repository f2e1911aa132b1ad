"""Run a host of libp2p: a Network for Bitswap.

An exception that leaves a handler of a stream would end the whole host, so none does.
"""

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol, final

import trio
from libp2p import new_host
from libp2p.abc import IHost, INetConn, INetStream, INetwork, INotifee
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.config import ConnectionConfig
from libp2p.network.connection import swarm_connection
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from multiaddr import Multiaddr

from ipvm.exchange.bitswap import PROTOCOLS, PeersUnavailable, Stream
from ipvm.exchange.dht import PROTOCOLS as DHT_PROTOCOLS, Kademlia
from ipvm.exchange.libp2p.addresses import parse_listened, parse_peer, require_free
from ipvm.exchange.libp2p.stream import CLOSE_SECONDS, Libp2pStream
from ipvm.exchange.libp2p.visiting import Visiting, addresses_of
from ipvm.limits import PEERS_MAX

__all__ = ["Host", "Peers", "open_dhts", "open_host", "peer_id_of"]

_LOG: Final = logging.getLogger(__name__)
_DIAL_SECONDS: Final = 10.0
_PING: Final = "/ipfs/ping/1.0.0"
_PING_BYTES: Final = 32
_PING_SECONDS: Final = 10.0


class Peers(Protocol):
    """Who is told of peers that come and go, and gets the streams that they open."""

    def connected(self, name: str) -> None:
        """There is a first connection to a peer."""
        ...

    def disconnected(self, name: str) -> None:
        """The last connection to a peer has ended."""
        ...

    async def listen(self, name: str, stream: Stream) -> None:
        """Read a stream, and close it."""
        ...


@final
class _Notified(INotifee):
    """Tells of the first connection to a peer, and of the end of the last."""

    def __init__(self, peers: Peers, visiting: Visiting) -> None:
        self._peers = peers
        self._visiting = visiting

    async def connected(self, _network: INetwork, conn: INetConn) -> None:
        if not self._visiting.is_only_visit(conn):
            self._peers.connected(str(conn.muxed_conn.peer_id))

    async def disconnected(self, network: INetwork, conn: INetConn) -> None:
        peer = conn.muxed_conn.peer_id
        if not [other for other in network.get_connections(peer) if other is not conn]:
            self._peers.disconnected(str(peer))

    async def opened_stream(self, _network: INetwork, _stream: INetStream) -> None:
        """Nothing to tell."""

    async def closed_stream(self, _network: INetwork, _stream: INetStream) -> None:
        """Nothing to tell."""

    async def listen(self, _network: INetwork, _address: Multiaddr) -> None:
        """Nothing to tell."""

    async def listen_close(self, _network: INetwork, _address: Multiaddr) -> None:
        """Nothing to tell."""


@final
class Host:
    """The connections that there are: a Network for Bitswap.

    Attributes:
        visiting: A Network for the DHT.
    """

    def __init__(self, host: IHost) -> None:
        self._host = host
        self._peers: Peers | None = None
        self.visiting = Visiting(host, self._connect)

    @property
    def id(self) -> str:
        """Our peer ID."""
        return str(self._host.get_id())

    @property
    def addresses(self) -> list[str]:
        """Where we listen, each with our peer ID."""
        return addresses_of(self._host)

    def serve(self, peers: Peers) -> None:
        """Tell somebody of peers and their streams, from now on."""
        self._peers = peers
        self._handle(PROTOCOLS, lambda peer, stream: peers.listen(str(peer), stream))
        self._host.get_network().register_notifee(_Notified(peers, self.visiting))

    def answer(self, dht: Kademlia) -> None:
        """Let others ask our part of the DHT."""
        asker = self.visiting.asker
        self._handle([dht.protocol], lambda peer, stream: dht.listen(asker(peer), stream))

    def _handle(
        self, protocols: Iterable[str], listen: Callable[[ID, Stream], Awaitable[None]]
    ) -> None:
        async def handle(stream: INetStream) -> None:
            try:
                await listen(stream.muxed_conn.peer_id, Libp2pStream(stream))
            except Exception:  # noqa: BLE001 - it would end the host
                _LOG.exception("a stream of a peer ended by a bug")

        for protocol in protocols:
            self._host.set_stream_handler(TProtocol(protocol), handle)

    async def connect(self, *addresses: str) -> str:
        """Connect to the peer at some addresses, unless that has been done, and give its ID.

        Raises:
            InvalidPeerAddress: A text is none.
            PeersUnavailable: It cannot be reached, or is another.
        """
        name = await self._connect(addresses)
        self.visiting.keep(name)
        if self._peers is not None:
            self._peers.connected(name)
        return name

    async def _connect(self, addresses: Sequence[str]) -> str:
        infos = [parse_peer(address) for address in addresses]
        peer = infos[0].peer_id
        try:
            with trio.fail_after(_DIAL_SECONDS):
                await self._host.connect(PeerInfo(peer, [each.addrs[0] for each in infos]))
        except Exception as error:
            where = " or ".join(addresses)
            raise PeersUnavailable(f"the peer {where} cannot be reached") from error
        return str(peer)

    async def ping(self, peer: str) -> float:
        """Tell the seconds that a connected peer takes to answer.

        Raises:
            PeersUnavailable: It does not.
        """
        sent, came = secrets.token_bytes(_PING_BYTES), b""
        began = trio.current_time()
        try:
            with trio.fail_after(_PING_SECONDS):
                stream = Libp2pStream(await self._host.new_stream(ID.from_string(peer), [_PING]))
                try:
                    await stream.send(sent)
                    while len(came) < _PING_BYTES and (more := await stream.receive()):
                        came += more
                finally:
                    await stream.close()
        except Exception as error:
            raise PeersUnavailable(f"the peer {peer} does not answer: {error}") from error
        if came != sent:
            raise PeersUnavailable(f"the peer {peer} does not answer to a ping with the same")
        return trio.current_time() - began

    async def open_stream(self, peer: str) -> Stream:
        """Open a stream for Bitswap to a connected peer."""
        try:
            return Libp2pStream(await self._host.new_stream(ID.from_string(peer), PROTOCOLS))
        except Exception as error:
            raise PeersUnavailable(f"the peer {peer} does not speak Bitswap: {error}") from error

    async def drop(self, peer: str) -> None:
        """Close the connections to a peer."""
        with trio.move_on_after(CLOSE_SECONDS):
            try:
                await self._host.disconnect(ID.from_string(peer))
            except Exception as error:  # noqa: BLE001 - it is gone, then
                _LOG.debug("closing a connection: %s", error)


@asynccontextmanager
async def open_host(seed: bytes, listen: Sequence[str] = ()) -> AsyncIterator[Host]:
    """Open a host; its connections are closed on the way out.

    Args:
        seed: The 32 bytes that the Ed25519 key of the peer is made of.
        listen: Addresses to listen at, like `/ip4/127.0.0.1/tcp/0`. Without one it only dials.

    Raises:
        InvalidPeerAddress: One of them is none.
        Refused: It cannot listen there.
    """
    _quieten()
    addresses = [parse_listened(each) for each in listen]
    for address in addresses:
        await require_free(address)
    host = new_host(
        key_pair=create_new_key_pair(seed),
        listen_addrs=addresses,
        # One connection to each peer: else every dial takes 250 ms.
        connection_config=ConnectionConfig(
            max_connections=PEERS_MAX,
            high_watermark=PEERS_MAX,
            low_watermark=0,
            min_connections=0,
            max_connections_per_peer=1,
            dial_timeout=_DIAL_SECONDS,
        ),
    )
    running = _Running(host, addresses)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(running.run)
            yield Host(host)
        except Exception as error:  # noqa: BLE001 - it is raised below: the nursery would wrap it
            failure = error
        finally:
            running.stop()
    if failure is not None:
        raise failure


def open_dhts(host: Host, *, serves: bool) -> list[Kademlia]:
    """Make our part of each DHT.

    Args:
        host: The host.
        serves: Whether others may ask us.
    """
    dhts = [Kademlia(protocol, host.visiting, serves=serves) for protocol in DHT_PROTOCOLS]
    for dht in dhts if serves else ():
        host.answer(dht)
    return dhts


@final
class _Running:
    """A host that is running until it is stopped, also when all around it is cancelled.

    What is cancelled within libp2p leaves its sockets open, and the peers in the belief that we are
    there. So it is shielded, and has a bounded time to end.
    """

    def __init__(self, host: IHost, listen: Sequence[Multiaddr]) -> None:
        self._host = host
        self._listen = listen
        self._shield = trio.CancelScope(shield=True)
        self._stopped = trio.Event()

    def stop(self) -> None:
        """Let it end."""
        self._shield.deadline = trio.current_time() + CLOSE_SECONDS
        self._stopped.set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run it; it has started when the listeners listen."""
        with self._shield:
            async with self._host.run(listen_addrs=self._listen):
                # Below half of the connections that it may have, it dials whom it has heard of.
                await self._host.get_network().auto_connector.stop()
                task_status.started()
                await self._stopped.wait()
                await self._host.close()


def _quieten() -> None:
    """Keep the library from writing to standard error; who listens to its loggers still hears it."""
    logger = logging.getLogger("libp2p")
    if not logger.handlers:  # without one, Python writes warnings
        logger.addHandler(logging.NullHandler())
    # This module of 0.8.1 logs by the root logger, which gives that a handler for all of the program.
    swarm_connection.logging = logging.getLogger(swarm_connection.__name__)


def peer_id_of(seed: bytes) -> str:
    """Give the peer ID of a key."""
    return str(ID.from_pubkey(create_new_key_pair(seed).public_key))
