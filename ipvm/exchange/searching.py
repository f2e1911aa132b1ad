"""Find peers that have a block in the DHT, for blocks that nobody near has.

A search looks for those who say that they provide the block, and dials some of them as they turn up.
From then on they are near, and asked for what comes next before anything is searched for again: a
DAG is mostly found with its root. Who waits for the same block waits for the same search, and a search
ends with the last of them. Only so many run at a time, one after the other in a measured pace, and
what was not found is not searched for again at once.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, NoReturn, Protocol, final

import trio

from ipvm.errors import IpvmError, NotFound, Refused, Unavailable
from ipvm.exchange.bitswap import PeersUnavailable
from ipvm.exchange.dht import Contact, Kademlia
from ipvm.exchange.dht.pace import Pace
from ipvm.ipld import Cid
from ipvm.limits import DHT_FOUND_MAX, DHT_PROVIDERS_DIALLED_MAX

__all__ = ["Near", "Searching"]

_TOGETHER: Final = 4
_WAITING_MAX: Final = 64
_BURST, _BURST_SECONDS = 16, 8.0
_DIALS_TOGETHER: Final = 4
_DIAL_SECONDS: Final = 6.0
_IN_VAIN_SECONDS: Final = 30.0
_IN_VAIN_KEPT: Final = 1024


class Near(Protocol):
    """The peers that are connected."""

    @property
    def peers(self) -> tuple[str, ...]:
        """The IDs of those that can be asked for blocks."""
        ...

    async def fetch(self, cid: Cid) -> bytes:
        """Ask them for a block; see `Source`."""
        ...

    async def wait_dialled(self) -> bool:
        """Wait until those that are known have been dialled, and tell whether we listen."""
        ...

    async def meet(self, addresses: Sequence[str]) -> str:
        """Connect to one more, and give its ID; Unavailable if that cannot be."""
        ...

    async def leave(self, name: str) -> None:
        """Close the connections to one."""
        ...


@final
class _Search:
    """A search, and what has come of it."""

    __slots__ = ("crew", "ended", "key", "met", "news", "providers", "scope")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.crew = 0
        self.met = 0
        self.ended = False
        self.news = trio.Event()
        self.providers: dict[bytes, Contact] = {}
        self.scope = trio.CancelScope()

    def tell(self) -> None:
        """Wake those who wait."""
        self.news.set()
        self.news = trio.Event()


@final
class Searching:
    """A Source: peers that are found in the DHT.

    It works while `run` does.

    Args:
        near: The peers that are connected.

    Attributes:
        name: What people know the source by.
    """

    def __init__(self, near: Near) -> None:
        self.name = "dht"
        self._near = near
        self._dhts: Sequence[Kademlia] = ()
        self._searches: dict[bytes, _Search] = {}
        self._begun: list[_Search] = []
        self._arrival = trio.Event()
        self._turns = trio.CapacityLimiter(_TOGETHER)
        self._pace = Pace(_BURST, _BURST_SECONDS)
        self._in_vain: dict[bytes, float] = {}
        self._found: dict[str, None] = {}

    async def run(self, dhts: Sequence[Kademlia]) -> NoReturn:
        """Search in some DHTs, until it is cancelled."""
        self._dhts = dhts
        try:
            async with trio.open_nursery() as nursery:
                for dht in dhts:
                    nursery.start_soon(dht.run)
                while True:
                    while self._begun:
                        nursery.start_soon(self._search, self._begun.pop())
                    await self._arrival.wait()
                    self._arrival = trio.Event()
        finally:
            self._dhts, self._begun = (), []
            for search in [*self._searches.values()]:
                self._end(search)

    async def fetch(self, cid: Cid) -> bytes:
        """Return bytes that a peer sent as the block of `cid`.

        Raises:
            BlockNotFound: Nobody near has it, and nobody was found who has.
            PeersUnavailable: Somebody may have it who did not answer, or could not be reached.
        """
        try:
            return await self._near.fetch(cid)
        except (NotFound, Unavailable) as problem:
            reason: IpvmError = problem
        async with self._joined(cid.multihash) as search:
            tried = 0
            while search.met > tried or not search.ended:
                if search.met == tried:
                    await search.news.wait()
                    continue
                tried = search.met
                try:
                    return await self._near.fetch(cid)
                except (NotFound, Unavailable) as problem:
                    reason = problem
        raise reason

    async def providers(self, cid: Cid) -> list[Contact]:
        """Give those who say that they have a block, as far as they are found in time.

        Raises:
            PeersUnavailable: There is nobody to ask.
        """
        await self._near.wait_dialled()
        found: dict[bytes, Contact] = {}

        def take(contacts: list[Contact]) -> None:
            for each in contacts:
                if each.endpoints or each.id not in found:
                    found[each.id] = each

        async with trio.open_nursery() as nursery:
            for dht in self._dhts:
                nursery.start_soon(dht.find, cid.multihash, take)
        if not found and not self._near.peers:
            raise PeersUnavailable("nobody is connected who could be asked")
        return sorted(found.values())

    async def provide(self, cid: Cid) -> int:
        """Say that we have a block, to those in the DHT who remember it for others.

        Returns:
            How many have taken note.

        Raises:
            Refused: We do not listen, so nobody could come.
            PeersUnavailable: Nobody has taken note.
        """
        if not await self._near.wait_dialled():
            raise Refused("who does not listen for peers cannot be found by them")
        noted = 0

        async def provide(dht: Kademlia) -> None:
            nonlocal noted
            count = await dht.provide(cid.multihash)
            noted += count

        async with trio.open_nursery() as nursery:
            for dht in self._dhts:
                nursery.start_soon(provide, dht)
        if not noted:
            raise PeersUnavailable(f"nobody in the DHT has taken note that {cid} is here")
        return noted

    # ---------------------------------------------------------------- searches

    @asynccontextmanager
    async def _joined(self, key: bytes) -> AsyncIterator[_Search]:
        """Take part in the search for a key."""
        search = self._searches.get(key) or self._begin(key)
        search.crew += 1
        try:
            yield search
        finally:
            search.crew -= 1
            if not search.crew:
                self._end(search)

    def _begin(self, key: bytes) -> _Search:
        search = _Search(key)
        now = trio.current_time()
        if not self._dhts or self._in_vain.get(key, now) > now:
            search.ended = True
        elif len(self._searches) >= _WAITING_MAX:
            raise PeersUnavailable("too many blocks are being searched for")
        else:
            self._searches[key] = search
            self._begun.append(search)
            self._arrival.set()
        return search

    def _end(self, search: _Search) -> None:
        if self._searches.pop(search.key, None) is None:
            return
        search.ended = True
        search.scope.cancel()
        search.tell()

    async def _search(self, search: _Search) -> None:
        with search.scope:
            async with self._turns:
                await trio.sleep(self._pace.wait_seconds(None, trio.current_time()))
                await self._find(search)
            if not search.met:
                self._in_vain[search.key] = trio.current_time() + _IN_VAIN_SECONDS
                if len(self._in_vain) > _IN_VAIN_KEPT:
                    del self._in_vain[next(iter(self._in_vain))]
        self._end(search)

    async def _find(self, search: _Search) -> None:
        send, receive = trio.open_memory_channel[Contact](DHT_PROVIDERS_DIALLED_MAX)

        def take(contacts: list[Contact]) -> None:
            near = self._near.peers
            for each in contacts:
                is_new = each.endpoints and each.id not in search.providers
                if (
                    is_new
                    and each.name not in near
                    and len(search.providers) < DHT_PROVIDERS_DIALLED_MAX
                ):
                    search.providers[each.id] = each
                    send.send_nowait(each)

        async with trio.open_nursery() as dials:
            for _ in range(_DIALS_TOGETHER):
                dials.start_soon(self._dial, search, receive)
            async with send, trio.open_nursery() as lookups:
                for dht in self._dhts:
                    lookups.start_soon(dht.find, search.key, take)

    async def _dial(self, search: _Search, found: trio.MemoryReceiveChannel[Contact]) -> None:
        async for contact in found:
            with trio.move_on_after(_DIAL_SECONDS):
                try:
                    name = await self._near.meet(contact.addresses)
                except IpvmError:
                    continue
                search.met += 1
                search.tell()
                await self._note(name)

    async def _note(self, name: str) -> None:
        """Remember whom we have found, and leave the one that was found first, if there are many."""
        self._found.pop(name, None)
        self._found[name] = None
        if len(self._found) > DHT_FOUND_MAX:
            first = next(iter(self._found))
            del self._found[first]
            await self._near.leave(first)
