"""Bitswap between peers: ask them for blocks, and serve them those that are here.

To each peer goes one stream of ours, and all that we say goes over it, in as few messages as its pace
allows: what is wanted, what is here, and blocks. What peers say comes over streams of theirs. They are
read to their end and closed, since whoever leaves one open leaks it.

A peer is trusted with nothing. What nobody asked for is dropped, what cannot be read ends its stream,
and who does either too often is dropped altogether, and not heard again for a while. A connection
that fails ends nothing but itself.
"""

from functools import partial
from typing import Final, NoReturn, final

import trio

from ipvm.errors import InvalidData, Unavailable
from ipvm.exchange.bitswap.asking import Asking
from ipvm.exchange.bitswap.hearing import Ear
from ipvm.exchange.bitswap.message import InvalidMessage, Message, multihash_of
from ipvm.exchange.bitswap.network import Network, PeersUnavailable, Stream
from ipvm.exchange.bitswap.serving import Served, Serving
from ipvm.exchange.bitswap.voice import Voice
from ipvm.exchange.bitswap.wanted import Session, Wanted
from ipvm.ipld import BlockNotFound, Cid
from ipvm.limits import BITSWAP_MESSAGE_BYTES_MAX, BITSWAP_REPLIES_MAX, BITSWAP_STREAMS_MAX

__all__ = ["Bitswap"]

_CHECK_SECONDS: Final = 0.25
_BANNED_SECONDS: Final = 300.0
_BANNED_KEPT: Final = 1024
_STRIKES_MAX: Final = 8
_STRIKES_FOR_GARBAGE: Final = 4
_HELD_BYTES_MAX: Final = 2 * BITSWAP_MESSAGE_BYTES_MAX
"""Bytes of messages of one peer, on all its streams, that have not come whole."""


@final
class _Peer:
    """A connected peer: what it wants, and what it has done to us."""

    __slots__ = ("held_bytes", "name", "news", "scope", "serving", "streams", "strikes")

    def __init__(self, name: str, store: Served) -> None:
        self.name = name
        self.news = trio.Event()
        self.scope = trio.CancelScope()
        self.serving = Serving(store)
        self.strikes = 0
        self.streams = 0
        self.held_bytes = 0

    @property
    def is_out(self) -> bool:
        """Whether it has done too much that it should not have."""
        return self.strikes >= _STRIKES_MAX


@final
class _Waiting:
    """Those who wait for one block."""

    __slots__ = ("crew", "ended", "wanted")

    def __init__(self, wanted: Wanted) -> None:
        self.crew = 0
        self.ended = trio.Event()
        self.wanted = wanted
        wanted.on_end = self.ended.set
        if wanted.ended:
            self.ended.set()


@final
class Bitswap:
    """A Source: the peers that are connected. And what serves them.

    It works as long as `run` does. The network tells it of peers with `connected` and `disconnected`,
    and gives it the streams that they open with `listen`.

    Args:
        store: What is served.
        network: Where the peers are.
    """

    def __init__(self, store: Served, network: Network) -> None:
        self._store = store
        self._network = network
        self._asking = Asking(self._tell)
        self._peers: dict[str, _Peer] = {}
        self._newcomers: list[_Peer] = []
        self._arrival = trio.Event()
        self._wanting = trio.Event()
        self._waiting: dict[bytes, _Waiting] = {}
        self._banned: dict[str, float] = {}
        self._replies = trio.Semaphore(BITSWAP_REPLIES_MAX)
        self._session = Session()

    @property
    def peers(self) -> tuple[str, ...]:
        """Who is connected and can be asked."""
        return self._asking.peers

    async def run(self) -> NoReturn:
        """Speak with peers, until it is cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._check)
            while True:
                while self._newcomers:
                    nursery.start_soon(self._speak, self._newcomers.pop())
                await self._arrival.wait()
                self._arrival = trio.Event()

    async def fetch(self, cid: Cid, session: Session | None = None) -> bytes:
        """Return bytes that a peer sent as the block of `cid`.

        Args:
            cid: The CID.
            session: Who had what was fetched before with it; all fetches without one share one.

        Raises:
            BlockNotFound: All connected peers say that they have it not.
            PeersUnavailable: None is connected, or one who may have it said nothing.
        """
        key = cid.multihash  # some peers know a block by that, and answer one of its CIDs alone
        waiting = self._waiting.get(key)
        if waiting is None:
            wanted = self._asking.begin(cid, session or self._session, trio.current_time())
            waiting = self._waiting[key] = _Waiting(wanted)
            self._wanting.set()
        waiting.crew += 1
        try:
            await waiting.ended.wait()
        finally:
            waiting.crew -= 1
            if not waiting.crew:
                del self._waiting[key]
                self._asking.abandon(waiting.wanted, trio.current_time())
        return _answer(cid, waiting.wanted)

    def connected(self, name: str) -> None:
        """Take up a peer; nothing happens when it is there already, or banned."""
        if name in self._peers or self.is_banned(name):
            return
        peer = self._peers[name] = _Peer(name, self._store)
        self._newcomers.append(peer)
        self._arrival.set()
        self._asking.connect(name, trio.current_time())

    def disconnected(self, name: str) -> None:
        """Forget a peer, as the last connection to it has ended."""
        if peer := self._peers.pop(name, None):
            peer.scope.cancel()
        self._asking.disconnect(name, trio.current_time())

    async def listen(self, name: str, stream: Stream) -> None:
        """Read a stream that a peer has opened, to its end, and close it."""
        try:
            self.connected(name)
            peer = self._peers.get(name)
            if peer is None:
                await self._network.drop(name)
            elif peer.streams < BITSWAP_STREAMS_MAX:
                self._asking.connect(name, trio.current_time())  # it speaks Bitswap after all
                await self._listen(peer, stream)
        finally:
            await stream.close()

    def _tell(self, name: str) -> None:
        if peer := self._peers.get(name):
            peer.news.set()

    async def _check(self) -> NoReturn:
        while True:
            await self._wanting.wait()
            while self._asking.is_waiting:
                await trio.sleep(_CHECK_SECONDS)
                self._asking.check(trio.current_time())
            self._wanting = trio.Event()

    async def _speak(self, peer: _Peer) -> None:
        with peer.scope:
            async with trio.open_nursery() as nursery:
                listen = partial(self._listen, peer)
                voice = Voice(self._network, peer.name, listen, nursery)
                try:
                    while True:
                        await peer.news.wait()
                        peer.news = trio.Event()
                        await self._speak_out(peer, voice)
                finally:
                    await voice.close()

    async def _speak_out(self, peer: _Peer, voice: Voice) -> None:
        """Say all that there is to say."""
        try:
            await voice.open()
            if voice.is_plain:
                self._asking.speaks_plainly(peer.name, trio.current_time())
            while True:
                await trio.lowlevel.checkpoint()  # for what is asked for at the same time
                message = peer.serving.answers()
                message.wants = self._asking.take(peer.name)
                if message.wants or message.haves or message.lacks:
                    await voice.say(message)
                if not peer.serving.has_blocks:
                    break
                async with self._replies:
                    await voice.say(await peer.serving.reply())
        except Unavailable:
            await voice.close()
            peer.serving.clear()
            self._asking.disconnect(peer.name, trio.current_time())

    async def _listen(self, peer: _Peer, stream: Stream) -> None:
        peer.streams += 1
        ear = Ear(stream)
        try:
            await self._hear(peer, ear)
        except InvalidData:
            await self._strike(peer, _STRIKES_FOR_GARBAGE)
        except Unavailable:
            pass  # it went away, which is its right
        finally:
            peer.streams -= 1
            peer.held_bytes -= ear.unread

    async def _hear(self, peer: _Peer, ear: Ear) -> None:
        held = 0
        while (messages := await ear.hear()) is not None:
            peer.held_bytes += ear.unread - held
            held = ear.unread
            if peer.held_bytes > _HELD_BYTES_MAX:
                raise InvalidMessage("too many messages of one peer are on their way")
            if not messages:
                self._asking.heard(peer.name, trio.current_time())
            for message in messages:
                await self._take(peer, message)

    async def _take(self, peer: _Peer, message: Message) -> None:
        now = trio.current_time()
        for prefix, data in message.blocks:
            known_by = multihash_of(prefix, data)
            if known_by and self._asking.receive(peer.name, known_by, data, now):
                peer.strikes = max(peer.strikes - 1, 0)
                continue
            self._asking.lied(peer.name, now)
            await self._strike(peer, 1)
            if peer.is_out:
                return
        for cid in message.haves:
            self._asking.has(peer.name, cid, now)
        for cid in message.lacks:
            self._asking.lacks(peer.name, cid, now)
        if message.wants or message.full:
            await peer.serving.hear(message.wants, full=message.full)
            peer.news.set()

    async def _strike(self, peer: _Peer, weight: int) -> None:
        """Count what a peer should not have done, and drop it when it is too much."""
        peer.strikes += weight
        if not peer.is_out or self.is_banned(peer.name):
            return
        self._banned[peer.name] = trio.current_time() + _BANNED_SECONDS
        if len(self._banned) > _BANNED_KEPT:
            del self._banned[next(iter(self._banned))]
        with trio.CancelScope(shield=True):  # it may be what our own stream to it brought
            await self._network.drop(peer.name)
        self.disconnected(peer.name)

    def is_banned(self, name: str) -> bool:
        """Whether a peer is not to be heard for now."""
        until = self._banned.get(name)
        if until is not None and until <= trio.current_time():
            del self._banned[name]
        return name in self._banned


def _answer(cid: Cid, wanted: Wanted) -> bytes:
    if wanted.data is not None:
        return wanted.data
    if wanted.is_nowhere:
        raise BlockNotFound(cid)
    if wanted.is_uncertain:
        raise PeersUnavailable(f"a peer that may have {cid} did not answer")
    raise PeersUnavailable(f"there is no peer to ask for {cid}")
