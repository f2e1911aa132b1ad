"""Fetch from peers, and serve them, from the moment that it is needed.

Nothing happens until something is fetched, or somebody is to be served: then libp2p is imported, a host
opened, and the peers are dialled whose addresses were given, again and again when they are gone. A host
that fails is opened anew. Nobody else is dialled, and nobody is looked for.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol, final

import trio

from ipvm.errors import IpvmError, NotFound, Refused, Unavailable
from ipvm.exchange.bitswap import Bitswap, PeersUnavailable, Stream
from ipvm.exchange.bitswap.serving import Nothing, Served
from ipvm.exchange.neighbours import Neighbours
from ipvm.exchange.peers import by_peer, needing_libp2p, new_identity, require_peer_address
from ipvm.exchange.searching import Searching
from ipvm.ipld import Cid

__all__ = ["Peering", "open_peering"]

_LOG: Final = logging.getLogger(__name__)
_REDIAL_SECONDS: Final = 1.0
_REDIAL_SECONDS_MAX: Final = 60.0


class _Dialler(Protocol):
    """Connects to peers: the host, which this module does not import."""

    async def connect(self, *addresses: str) -> str: ...
    async def drop(self, peer: str) -> None: ...


@final
class Peering:
    """A Source: the peers at some addresses, and all others that have connected to us.

    Attributes:
        name: What people know the source by.
        searching: Another Source: the peers that are found in the DHT, if it is to be used.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        serves: Served,
        *,
        seed: bytes,
        listen: Sequence[str],
        dht: bool = False,
        mdns: bool = False,
    ) -> None:
        self.name = "peers"
        self.searching = Searching(self) if dht else None
        self._dialled = tuple(addresses)
        self._peers = by_peer(addresses)
        self._serves = serves
        self._seed = seed
        self._listen = tuple(listen)
        self._needed = trio.Event()
        self._ready = trio.Event()
        self._mdns = mdns
        self._untried = len(self._peers) + mdns
        self._all_tried = trio.Event()
        self._bitswap: Bitswap | None = None
        self._dialler: _Dialler | None = None
        self._gone: dict[str, trio.Event] = {}
        self._problem: IpvmError | None = None
        self._id = ""
        self._addresses: tuple[str, ...] = ()

    @property
    def peers(self) -> tuple[str, ...]:
        """The IDs of the peers that are connected and can be asked."""
        return self._bitswap.peers if self._bitswap else ()

    async def opened(self) -> tuple[str, tuple[str, ...]]:
        """Open the host now, and give its peer ID and the addresses that it listens at.

        Raises:
            PeersNotInstalled: The extra is missing.
            InvalidPeerAddress: An address is none.
            Refused: It cannot listen there.
        """
        self._needed.set()
        await self._ready.wait()
        if not self._id and self._problem is not None:
            raise self._problem
        return self._id, self._addresses

    async def fetch(self, cid: Cid) -> bytes:
        """Return bytes that a peer sent as the block of `cid`.

        Raises:
            BlockNotFound: All connected peers say that they have it not.
            PeersUnavailable: None is connected, or one that may have it did not answer.
            PeersNotInstalled: The extra is missing.
        """
        if not self._ready.is_set():  # the checkpoint is that of `_ask`
            self._needed.set()
            await self._ready.wait()
        try:
            return await self._ask(cid)
        except (NotFound, Unavailable):
            if self._all_tried.is_set():
                raise
        await self._all_tried.wait()  # one that is still being dialled may have it
        return await self._ask(cid)

    async def _ask(self, cid: Cid) -> bytes:
        bitswap = self._bitswap
        if self._problem is not None and not (bitswap and bitswap.peers):
            await trio.lowlevel.checkpoint()
            raise self._problem
        if bitswap is None:
            await trio.lowlevel.checkpoint()
            raise PeersUnavailable("the connections to peers are being opened again")
        return await bitswap.fetch(cid)

    # ---------------------------------------------------------------- for the search

    async def wait_dialled(self) -> bool:
        """Wait until the peers have been dialled, and tell whether we listen.

        Raises:
            IpvmError: As `opened`.
        """
        await self.opened()
        await self._all_tried.wait()
        return bool(self._listen)

    async def meet(self, addresses: Sequence[str]) -> str:
        """Connect to a peer at some addresses, and give its ID.

        Raises:
            PeersUnavailable: It cannot be reached, or is not to be heard.
        """
        if self._bitswap is None or self._dialler is None:
            await trio.lowlevel.checkpoint()
            raise PeersUnavailable("the connections to peers are being opened again")
        name = await self._dialler.connect(*addresses)
        if self._bitswap.is_banned(name):
            await self._dialler.drop(name)
            raise PeersUnavailable(f"the peer {name} has sent too much that is no use")
        return name

    async def leave(self, name: str) -> None:
        """Close the connections to a peer."""
        if self._dialler is not None:
            await self._dialler.drop(name)

    # ---------------------------------------------------------------- what the host tells

    def connected(self, name: str) -> None:
        """Take up a peer."""
        if self._bitswap:
            self._bitswap.connected(name)

    def disconnected(self, name: str) -> None:
        """Forget a peer, and dial it again."""
        if self._bitswap:
            self._bitswap.disconnected(name)
        gone = self._gone.pop(name, None)
        if gone is not None:
            gone.set()

    async def listen(self, name: str, stream: Stream) -> None:
        """Hear a peer."""
        if self._bitswap:
            await self._bitswap.listen(name, stream)
        else:
            await stream.close()

    # ---------------------------------------------------------------- the work

    async def run(self) -> None:
        """Wait until peers are needed, and keep connections to them from then on."""
        await self._needed.wait()
        while True:
            try:
                await self._work()
            except IpvmError as problem:
                self._fail(problem)
                return
            except Exception as bug:  # noqa: BLE001 - of libp2p, which the program outlives
                _LOG.exception("the connections to peers have failed")
                if not self._id:
                    self._fail(Refused(f"the connections to peers cannot be opened: {bug}"))
                    return
            self._bitswap = self._dialler = None
            await trio.sleep(_REDIAL_SECONDS)

    def _fail(self, problem: IpvmError) -> None:
        self._problem = problem
        self._ready.set()
        self._all_tried.set()

    async def _work(self) -> None:
        with needing_libp2p():
            from ipvm.exchange import libp2p  # noqa: PLC0415 - half a second, for those who need it
        libp2p.require_addresses(self._dialled, self._listen)
        async with libp2p.open_host(self._seed, self._listen) as host:
            bitswap = self._bitswap = Bitswap(self._serves, host)
            self._dialler = host
            host.serve(self)
            self._id, self._addresses = host.id, tuple(host.addresses)
            if self._listen and not self._addresses:
                raise Refused(f"cannot listen at {' or '.join(self._listen)}")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bitswap.run)
                if self.searching is not None:
                    dhts = libp2p.open_dhts(host, serves=bool(self._listen))
                    nursery.start_soon(self.searching.run, dhts)
                for addresses in self._peers:
                    nursery.start_soon(self._keep, addresses)
                if self._mdns:
                    nursery.start_soon(self._meet_neighbours)
                if not self._peers:
                    self._ready.set()
                if not self._untried:
                    self._all_tried.set()

    async def _keep(self, addresses: Sequence[str]) -> None:
        """Be connected to a peer, for ever."""
        pause, is_first = _REDIAL_SECONDS, True
        while True:
            name = ""
            try:
                name = await self.meet(addresses)
                self._problem = None
                self._ready.set()
                pause = _REDIAL_SECONDS
            except Unavailable as problem:
                self._problem, name = problem, ""
            if is_first:
                is_first = False
                self._note_tried()
            if name:
                await self._gone.setdefault(name, trio.Event()).wait()
            await trio.sleep(pause)
            pause = min(2 * pause, _REDIAL_SECONDS_MAX)

    async def _meet_neighbours(self) -> None:
        from ipvm.exchange.libp2p.mdns import open_mdns  # noqa: PLC0415 - for those who ask for it

        neighbours = Neighbours(self, itself=self._id, tried=self._note_tried)
        await neighbours.run(open_mdns(self._addresses, neighbours.find))

    def _note_tried(self) -> None:
        self._untried -= 1
        if self._untried <= 0:
            self._ready.set()
            self._all_tried.set()


@asynccontextmanager
async def open_peering(
    addresses: Sequence[str],
    *,
    serves: Served | None = None,
    seed: bytes | None = None,
    listen: Sequence[str] = (),
    dht: bool = False,
    mdns: bool = False,
) -> AsyncIterator[Peering]:
    """Give a source that fetches from peers, and serves them from a store; both end with the context.

    Args:
        addresses: Where the peers are: `/ip4/127.0.0.1/tcp/4001/p2p/12D3…`.
        serves: What is served to all who are connected; nothing is, if it is left out.
        seed: The key that peers know us by; else one that is used this once. A process that has a key
            must be the only one: peers answer to any connection of the same key.
        listen: Where to listen for peers, as in `/ip4/127.0.0.1/tcp/0`.
        dht: Find peers in the DHT, by those that are connected, and give a Source that does in
            `searching`. Who listens serves the DHT, too, and can be found in it.
        mdns: Look for peers on the local network, too. Who listens can be found there.

    Raises:
        InvalidPeerAddress: The address of a peer is none.
    """
    for address in addresses:
        require_peer_address(address)
    served, key = serves or Nothing(), seed or new_identity()
    peering = Peering(addresses, served, seed=key, listen=listen, dht=dht, mdns=mdns)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peering.run)
        try:
            yield peering
        except Exception as error:  # noqa: BLE001 - it is raised below: a nursery would wrap it
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
