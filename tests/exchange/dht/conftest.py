"""A village of peers in memory that speak with the DHT, and some that only pretend to."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Address

import pytest
import trio
from trio.testing import memory_stream_pair

from ipvm.exchange.bitswap import PeersUnavailable
from ipvm.exchange.dht import Asker, Contact, Kademlia, Scope, Visit
from ipvm.exchange.dht.contacts import Endpoint
from ipvm.exchange.dht.engine import PUBLIC

ID_HEAD = b"\x00\x24\x08\x01\x12\x20"


def peer_id(number: int) -> bytes:
    """The ID of some peer."""
    return ID_HEAD + number.to_bytes(32)


def resident(number: int) -> Contact:
    """Some peer, with an address of the internet."""
    return Contact(peer_id(number), (Endpoint(IPv4Address(0x08080000 + number), 4001),))


class Pipe:
    """One end of a stream."""

    protocol = PUBLIC

    def __init__(self, end: trio.StapledStream) -> None:  # type: ignore[type-arg]
        self._end = end

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
        with trio.CancelScope(shield=True):
            await self._end.aclose()


Answers = Callable[[Asker, Pipe], Awaitable[None]]


class Village:
    """All peers, by the bytes of their IDs.

    Attributes:
        visits: Who was visited, in order.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._answers: dict[bytes, Answers] = {}
        self.visits: list[bytes] = []
        self.open = 0

    contact = staticmethod(resident)

    def settle(
        self, number: int, *, knows: Sequence[int] = (), serves: bool = True
    ) -> tuple[Kademlia, "View"]:
        """Add a peer, which is connected to some others."""
        view = View(self, resident(number), [resident(each) for each in knows])
        dht = Kademlia(PUBLIC, view, serves=serves)
        self._answers[peer_id(number)] = dht.listen
        return dht, view

    def pretend(self, number: int, answers: Answers) -> None:
        """Add one that does as the test says."""
        self._answers[peer_id(number)] = answers

    @asynccontextmanager
    async def visit(self, whom: Contact, asker: Contact) -> AsyncIterator[Visit]:
        """Open a stream to a peer."""
        await trio.lowlevel.checkpoint()
        self.visits.append(whom.id)
        if whom.id not in self._answers:
            raise PeersUnavailable("nobody lives there")
        near, far = (Pipe(end) for end in memory_stream_pair())
        asking = Asker(asker, Scope.WORLD, [PUBLIC])
        self._nursery.start_soon(self._answer, whom, asking, far)
        self.open += 1
        try:
            yield Visit(near, Scope.WORLD)
        finally:
            self.open -= 1
            await near.close()

    async def _answer(self, whom: Contact, asker: Asker, stream: Pipe) -> None:
        with suppress(PeersUnavailable):
            await self._answers[whom.id](asker, stream)


class View:
    """The village as one of its peers sees it."""

    def __init__(self, village: Village, itself: Contact, knows: list[Contact]) -> None:
        self._village = village
        self._itself = itself
        self.knows = knows

    @property
    def peer_id(self) -> bytes:
        return self._itself.id

    def endpoints(self) -> tuple[Endpoint, ...]:
        return self._itself.endpoints

    def neighbours(self) -> list[Asker]:
        return [Asker(each, Scope.WORLD, [PUBLIC]) for each in self.knows]

    @asynccontextmanager
    async def visit(self, contact: Contact, protocol: str) -> AsyncIterator[Visit]:
        assert protocol == PUBLIC
        async with self._village.visit(contact, self._itself) as visit:
            yield visit


@pytest.fixture
def village(nursery: trio.Nursery) -> Village:
    """An empty village."""
    return Village(nursery)


@pytest.fixture
def contact() -> Callable[[int], Contact]:
    """Some peer, by its number."""
    return resident
