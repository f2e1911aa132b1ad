"""Speak with the DHT: find who provides a key, say that we do, and answer others.

There are two of them, with the same messages: that of the internet, and that of the networks around
us, where Kubo looks for peers with private addresses. A `Kademlia` is our part of one.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, NoReturn, final

import trio

from ipvm.errors import InvalidData, IpvmError, Unavailable
from ipvm.exchange.bitswap import PeersUnavailable, Stream
from ipvm.exchange.bitswap.framing import Frames
from ipvm.exchange.dht.answering import ADDED_PER_WINDOW, WINDOW_SECONDS, Answering
from ipvm.exchange.dht.contacts import Contact, Scope, contact_of, tell
from ipvm.exchange.dht.lookup import Lookup
from ipvm.exchange.dht.message import DhtMessage, Kind, Told, read_message, write_message
from ipvm.exchange.dht.network import Asker, Network
from ipvm.exchange.dht.pace import Pace
from ipvm.exchange.dht.records import Records
from ipvm.exchange.dht.table import NEAREST, Table
from ipvm.limits import DHT_MESSAGE_BYTES_MAX, DHT_STREAMS_MAX

__all__ = ["LOCAL", "PROTOCOLS", "PUBLIC", "Kademlia"]

PUBLIC: Final = "/ipfs/kad/1.0.0"
"""The DHT of the internet; also what others speak that know no other."""
LOCAL: Final = "/ipfs/lan/kad/1.0.0"
"""The DHT of those with private addresses."""
PROTOCOLS: Final = (PUBLIC, LOCAL)

_ANSWER_SECONDS: Final = 5.0
_SEARCH_SECONDS: Final = 15.0
_SILENCE_SECONDS: Final = 60.0
_REFRESH_SECONDS: Final = 600.0
_ALONE_SECONDS: Final = 10.0
_TOGETHER: Final = 8
_PROVIDING_TOGETHER: Final = 2
_FINDING_WIDTH: Final = 8
_STREAMS_MAX: Final = 64


@final
class _Search:
    """A lookup, and those who work at it."""

    __slots__ = ("busy", "lookup", "news", "question", "take")

    def __init__(
        self,
        lookup: Lookup,
        question: DhtMessage,
        take: Callable[[list[Contact]], None],
    ) -> None:
        self.lookup = lookup
        self.question = question
        self.take = take
        self.busy = 0
        self.news = trio.Event()

    def tell(self) -> None:
        """Wake those who wait for something to do."""
        self.news.set()
        self.news = trio.Event()


@final
class Kademlia:
    """Our part of one DHT.

    Args:
        protocol: Which one: `PUBLIC` or `LOCAL`.
        network: Where the peers are.
        serves: Whether others may ask us.
    """

    def __init__(self, protocol: str, network: Network, *, serves: bool) -> None:
        self.protocol = protocol
        self._network = network
        self._serves = serves
        self._table = Table(network.peer_id)
        self._records = Records()
        self._answering = Answering(self._table, self._records)
        self._pace = Pace(ADDED_PER_WINDOW, WINDOW_SECONDS)
        self._providing = trio.CapacityLimiter(_PROVIDING_TOGETHER)
        self._streams: Counter[bytes] = Counter()

    async def run(self) -> NoReturn:
        """Keep in touch with those near to us, if we serve, until it is cancelled."""
        while self._serves:
            await self._nearest(self._network.peer_id)
            is_alone = next(iter(self._table), None) is None
            await trio.sleep(_ALONE_SECONDS if is_alone else _REFRESH_SECONDS)
        await trio.sleep_forever()
        raise AssertionError

    # ---------------------------------------------------------------- asking

    async def find(self, key: bytes, take: Callable[[list[Contact]], None]) -> None:
        """Search for those who provide a key; it ends when all who may know have been asked.

        Args:
            key: A multihash.
            take: Is given providers as they are found, also the same again.
        """
        if self._serves:
            take(self._records.of(key, trio.current_time()))
        lookup = self._lookup(key, _FINDING_WIDTH)
        await self._work(_Search(lookup, DhtMessage(Kind.GET_PROVIDERS, key), take))

    async def provide(self, key: bytes) -> int:
        """Tell those nearest to a key that we provide it, and give how many have taken note."""
        async with self._providing:
            return await self._provide(key)

    async def _provide(self, key: bytes) -> int:
        itself = Contact(self._network.peer_id, tuple(self._network.endpoints()))
        if self._serves:
            self._records.add(key, itself, trio.current_time())
        nearest, noted = await self._nearest(key), 0

        async def add(contact: Contact) -> None:
            nonlocal noted
            async with together:
                await trio.sleep(self._pace.wait_seconds(contact.id, trio.current_time()))
                if await self._add(contact, key, itself):
                    noted += 1

        together = trio.CapacityLimiter(_TOGETHER)
        async with trio.open_nursery() as nursery:
            for contact in nearest:
                nursery.start_soon(add, contact)
        return noted

    async def _add(self, contact: Contact, key: bytes, itself: Contact) -> bool:
        """Tell one peer, and ask in the same breath: what it answers shows that it took note."""

        def say(scope: Scope) -> list[DhtMessage]:
            told = tell(itself, to=scope)
            if not told.addresses:
                raise PeersUnavailable("there is no address that it could use")
            return [
                DhtMessage(Kind.ADD_PROVIDER, key, providers=[told]),
                DhtMessage(Kind.GET_PROVIDERS, key),
            ]

        try:
            answer, _ = await self._ask(contact, say)
        except (InvalidData, Unavailable):
            return False
        # Some send the first message back instead.
        return answer.kind == Kind.ADD_PROVIDER or itself.id in [p.id for p in answer.providers]

    async def _nearest(self, key: bytes) -> list[Contact]:
        lookup = self._lookup(key, NEAREST)
        await self._work(_Search(lookup, DhtMessage(Kind.FIND_NODE, key), lambda _: None))
        return lookup.nearest()

    def _lookup(self, key: bytes, width: int) -> Lookup:
        lookup = Lookup(key, itself=self._network.peer_id, width=width)
        lookup.hear(self._table.nearest(key))
        around = self._network.neighbours()
        lookup.hear([each.contact for each in around if self._is_for(each.scope)])
        return lookup

    async def _work(self, search: _Search) -> None:
        with trio.move_on_after(_SEARCH_SECONDS):
            async with trio.open_nursery() as nursery:
                for _ in range(_TOGETHER):
                    nursery.start_soon(self._work_on, search)

    async def _work_on(self, search: _Search) -> None:
        while True:
            contact = search.lookup.next()
            if contact is not None:
                search.busy += 1
                try:
                    await self._inquire(search, contact)
                finally:
                    search.busy -= 1
                    search.tell()
            elif search.busy:
                await search.news.wait()
            else:
                await trio.lowlevel.checkpoint()
                return

    async def _inquire(self, search: _Search, contact: Contact) -> None:
        try:
            answer, scope = await self._ask(contact, lambda _: [search.question])
        except (InvalidData, Unavailable):
            search.lookup.fail(contact.id)
            self._table.forget(contact.id)
            return
        self._table.note(contact)
        closer = [each for each in self._contacts(answer.closer, scope) if each.endpoints]
        search.lookup.hear(closer)
        search.take(self._contacts(answer.providers, scope))

    def _contacts(self, told: Iterable[Told], scope: Scope) -> list[Contact]:
        contacts = [contact_of(each, by=scope) for each in told]
        itself = self._network.peer_id
        return [each for each in contacts if each is not None and each.id != itself]

    async def _ask(
        self, contact: Contact, say: Callable[[Scope], list[DhtMessage]]
    ) -> tuple[DhtMessage, Scope]:
        try:
            with trio.fail_after(_ANSWER_SECONDS):
                try:
                    return await self._ask_once(contact, say)
                except (
                    PeersUnavailable
                ):  # perhaps its own visit to us ended, and with it the connection
                    return await self._ask_once(contact, say)
        except trio.TooSlowError as error:
            raise PeersUnavailable(f"the peer {contact.name} did not answer in time") from error

    async def _ask_once(
        self, contact: Contact, say: Callable[[Scope], list[DhtMessage]]
    ) -> tuple[DhtMessage, Scope]:
        async with self._network.visit(contact, self.protocol) as (stream, scope):
            await stream.send(b"".join(map(write_message, say(scope))))
            return await _answer(stream), scope

    def _is_for(self, scope: Scope) -> bool:
        return self.protocol == PUBLIC or scope < Scope.WORLD

    # ---------------------------------------------------------------- answering

    async def listen(self, asker: Asker, stream: Stream) -> None:
        """Answer what a peer asks over a stream, and close it."""
        peer = asker.contact.id
        self._streams[peer] += 1
        try:
            if (
                self._serves
                and self._is_for(asker.scope)
                and self._streams[peer] <= DHT_STREAMS_MAX
                and self._streams.total() <= _STREAMS_MAX
            ):
                await self._hear(asker, stream)
        except IpvmError:
            pass  # it went away, or is to
        finally:
            self._streams[peer] -= 1
            if not self._streams[peer]:
                del self._streams[peer]
            await stream.close()

    async def _hear(self, asker: Asker, stream: Stream) -> None:
        frames = Frames(DHT_MESSAGE_BYTES_MAX)
        receive = partial(_receive, stream, frames)
        while (content := await receive()) is not None:
            now = trio.current_time()
            answer = self._answering.answer(read_message(content), asker, now)
            if self.protocol in asker.serves:
                self._table.note(asker.contact)
            if answer is not None:
                with trio.move_on_after(_ANSWER_SECONDS) as patience:
                    await stream.send(write_message(answer))
                if patience.cancelled_caught:
                    return


async def _answer(stream: Stream) -> DhtMessage:
    content = await _receive(stream, Frames(DHT_MESSAGE_BYTES_MAX))
    if content is None:
        raise PeersUnavailable("a peer closed a stream without an answer")
    return read_message(content)


async def _receive(stream: Stream, frames: Frames) -> bytes | None:
    """Wait for a message; None when no more will come."""
    with trio.move_on_after(_SILENCE_SECONDS):
        while (frame := frames.take()) is None:
            data = await stream.receive()
            if not data:
                return None
            frames.feed(data)
        return frame
    return None
