"""Meet the peers of the local network as they are found.

Anybody on the network can say anything. So only so many are met, at addresses of networks and not of
this machine, and each has a bounded time.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, NoReturn, final

import trio

from ipvm.errors import IpvmError, Refused
from ipvm.exchange.dht import Scope
from ipvm.exchange.dht.contacts import endpoints_of, usable
from ipvm.exchange.searching import Near
from ipvm.limits import NEIGHBOURS_MAX

__all__ = ["Neighbours"]

_LOG: Final = logging.getLogger(__name__)
_DIAL_SECONDS: Final = 6.0
_PATIENCE_SECONDS: Final = 3.0
_AGAIN_SECONDS: Final = 30.0
_KNOWN_MAX: Final = 4 * NEIGHBOURS_MAX


@final
class Neighbours:
    """Peers of the local network.

    Args:
        near: The peers that are connected.
        itself: Our own ID.
        tried: Is called once, when one has been met, or when nobody was found for some seconds.
    """

    def __init__(self, near: Near, *, itself: str, tried: Callable[[], None]) -> None:
        self._near = near
        self._itself = itself
        self._tried: Callable[[], None] | None = tried
        self._known: dict[str, list[str]] = {}
        self._news = trio.Event()

    def find(self, addresses: Sequence[str]) -> None:
        """Take note of what somebody says."""
        for address in addresses:
            name = address.rpartition("/p2p/")[2]
            for endpoint in usable(endpoints_of([address]), by=Scope.NETWORK):
                if name != self._itself:
                    self._note(name, f"{endpoint}/p2p/{name}")

    def _note(self, name: str, address: str) -> None:
        known = self._known.setdefault(name, [])
        if address not in known:
            self._known[name] = [address, *known][:NEIGHBOURS_MAX]
        if len(self._known) > _KNOWN_MAX:
            del self._known[next(iter(self._known))]
        if name not in self._near.peers:
            self._news.set()

    async def run(self, finding: AbstractAsyncContextManager[None]) -> NoReturn:
        """Meet those who are found, and again when they are gone, until it is cancelled.

        Args:
            finding: Calls `find`.
        """
        try:
            async with finding, trio.open_nursery() as nursery:
                nursery.start_soon(self._lose_patience)
                while True:
                    await self._meet_all()
                    with trio.move_on_after(_AGAIN_SECONDS):
                        await self._news.wait()
        except Refused as problem:
            _LOG.warning("%s", problem)
        self._note_tried()
        await trio.sleep_forever()
        raise AssertionError

    async def _meet_all(self) -> None:
        self._news = trio.Event()
        near = set(self._near.peers)
        room = NEIGHBOURS_MAX - len(near & set(self._known))
        absent = [name for name in self._known if name not in near]
        async with trio.open_nursery() as nursery:
            for name in absent[:room]:
                addresses = self._known[name] = self._known.pop(name)  # others first, next time
                nursery.start_soon(self._meet, addresses)

    async def _meet(self, addresses: Sequence[str]) -> None:
        with trio.move_on_after(_DIAL_SECONDS):
            try:
                await self._near.meet(addresses)
            except IpvmError as problem:
                _LOG.debug("a neighbour is not met: %s", problem)
            else:
                self._note_tried()

    async def _lose_patience(self) -> None:
        await trio.sleep(_PATIENCE_SECONDS)
        self._note_tried()

    def _note_tried(self) -> None:
        tried, self._tried = self._tried, None
        if tried is not None:
            tried()
