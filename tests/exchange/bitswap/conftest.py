"""A town of peers in memory: engines, and others that say what a test tells them to."""

import math
from collections.abc import Callable, Sequence

import pytest
import trio
from trio.testing import memory_stream_pair

from ipvm.exchange.bitswap import PROTOCOLS, Bitswap, PeersUnavailable
from ipvm.exchange.bitswap.framing import Frames
from ipvm.exchange.bitswap.message import Message, read_message, write_message
from ipvm.exchange.bitswap.serving import Nothing, Served
from ipvm.ipld import Block
from ipvm.store import Memory


class Pipe:
    """One end of a stream."""

    def __init__(self, end: trio.StapledStream, protocol: str, town: "Town") -> None:  # type: ignore[type-arg]
        self.protocol = protocol
        self._end = end
        self._town = town
        town.open_ends += 1
        self._closed = False

    async def receive(self) -> bytes:
        try:
            return bytes(await self._end.receive_some())
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise PeersUnavailable("the stream was cut") from error

    async def send(self, data: bytes) -> None:
        try:
            await self._end.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise PeersUnavailable("the stream was cut") from error

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._town.open_ends -= 1
            with trio.CancelScope(shield=True):
                await self._end.aclose()


class Rogue:
    """A peer that does what the test says.

    Attributes:
        heard: What an engine has told it, message by message.
    """

    def __init__(self, town: "Town", name: str) -> None:
        self.name = name
        self._town = town
        self._send, self.heard = trio.open_memory_channel[Message](math.inf)

    async def listen(self, stream: Pipe) -> None:
        """Put down what comes over a stream."""
        frames = Frames()
        try:
            while data := await stream.receive():
                frames.feed(data)
                while (frame := frames.take()) is not None:
                    self._send.send_nowait(read_message(frame))
        except PeersUnavailable:
            pass
        finally:
            await stream.close()

    def call(self, engine: str) -> Pipe:
        """Open a stream to an engine."""
        return self._town.open(self.name, engine)

    async def say(self, engine: str, message: Message) -> None:
        """Tell an engine something, on a stream of its own."""
        stream = self.call(engine)
        await stream.send(write_message(message))
        await stream.close()

    async def send(self, engine: str, *blocks: Block) -> None:
        """Send blocks to an engine."""
        await self.say(engine, Message(blocks=[(bytes(b.cid)[:4], b.data) for b in blocks]))

    async def wants(self) -> list[bytes]:
        """Wait for a message, and give the CIDs of the blocks that are wanted in it."""
        message = await self.heard.receive()
        return [want.cid for want in message.wants if not (want.cancel or want.have)]


class Town:
    """The network of all peers in it.

    Attributes:
        open_ends: Ends of streams that have not been closed.
        dropped: Whom an engine has thrown out.
        plain: Those who speak 1.1.0 only.
        mute: Those to whom no stream can be opened.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self.engines: dict[str, Bitswap] = {}
        self.rogues: dict[str, Rogue] = {}
        self.open_ends = 0
        self.dropped: list[str] = []
        self.plain: set[str] = set()
        self.mute: set[str] = set()
        self._nursery = nursery

    def engine(self, name: str, store: Served | None = None) -> Bitswap:
        """Add an engine."""
        engine = self.engines[name] = Bitswap(store or Nothing(), View(self, name))
        self._nursery.start_soon(engine.run)
        return engine

    def rogue(self, name: str) -> Rogue:
        """Add one that does what the test says."""
        rogue = self.rogues[name] = Rogue(self, name)
        return rogue

    def meet(self, *names: str) -> None:
        """Connect peers to each other."""
        for name in names:
            for other in names:
                if name != other and name in self.engines:
                    self.engines[name].connected(other)

    def part(self, *names: str) -> None:
        """Cut the connections of peers to each other."""
        for name in names:
            for other in names:
                if name != other and name in self.engines:
                    self.engines[name].disconnected(other)

    def open(self, caller: str, called: str) -> Pipe:
        """Open a stream."""
        if called in self.mute:
            raise PeersUnavailable("it does not speak Bitswap")
        protocol = PROTOCOLS[1] if called in self.plain else PROTOCOLS[0]
        near, far = (Pipe(end, protocol, self) for end in memory_stream_pair())
        if called in self.engines:
            self._nursery.start_soon(self.engines[called].listen, caller, far)
        else:
            self._nursery.start_soon(self.rogues[called].listen, far)
        return near


class View:
    """The town as one of its engines sees it."""

    def __init__(self, town: Town, name: str) -> None:
        self._town = town
        self._name = name

    async def open_stream(self, peer: str) -> Pipe:
        await trio.lowlevel.checkpoint()
        return self._town.open(self._name, peer)

    async def drop(self, peer: str) -> None:
        await trio.lowlevel.checkpoint()
        self._town.dropped.append(peer)


@pytest.fixture
def town(nursery: trio.Nursery) -> Town:
    """An empty town."""
    return Town(nursery)


@pytest.fixture
def stocked() -> Callable[[Sequence[Block]], Memory]:
    """Make a store of blocks."""

    def make(blocks: Sequence[Block]) -> Memory:
        store = Memory()
        store._blocks.update({block.cid.multihash: block for block in blocks})
        return store

    return make
