"""Exchange blocks with peers, and tell others what was announced."""

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import final

import trio

from ipvm.daemon.settings import CannotListen, Settings
from ipvm.errors import IpvmError, Refused
from ipvm.exchange import Source
from ipvm.exchange.announcing import Announcing
from ipvm.exchange.peering import Peering, open_peering
from ipvm.exchange.peers import hold_identity
from ipvm.store import announced
from ipvm.store.lmdb import Lmdb

__all__ = ["Peers", "open_peers"]


@final
class Peers:
    """The peers of a server, if it has any.

    Attributes:
        addresses: Where others find us; none if nobody is served.
    """

    def __init__(
        self,
        peering: Peering | None = None,
        addresses: tuple[str, ...] = (),
        announcing: Announcing | None = None,
    ) -> None:
        self.addresses = addresses
        self._peering = peering
        self._announcing = announcing

    @property
    def connected(self) -> int:
        """How many are connected."""
        return len(self._peering.peers) if self._peering else 0

    @property
    def is_announcing(self) -> bool:
        """Whether others are told of what was announced."""
        return self._announcing is not None

    @property
    def announced(self) -> int:
        """How many roots others have been told of."""
        return self._announcing.announced if self._announcing else 0

    def among(self, settings: Settings) -> list[Source | str]:
        """Put them behind stores and Kubo, and before gateways; who is searched for comes last."""
        near: list[Source | str] = [each for each in settings.sources if not isinstance(each, str)]
        gateways = [each for each in settings.sources if isinstance(each, str)]
        if self._peering is None or settings.offline:
            return [*near, *gateways]
        named = [self._peering] if settings.peers or settings.mdns else []
        found = [self._peering.searching] if self._peering.searching else []
        return [*near, *named, *gateways, *found]


@asynccontextmanager
async def open_peers(settings: Settings, store: Lmdb) -> AsyncIterator[Peers]:
    """Open what exchanges blocks with peers, as far as that is wanted.

    Raises:
        PeersNotInstalled: The extra is missing.
        InvalidPeerAddress: An address is none.
        IdentityInUse, IdentityUnusable: The key of the store cannot be used.
        CannotListen: It cannot listen there.
    """
    if settings.listen:
        with hold_identity(settings.folder) as seed:
            opened = open_peering(
                settings.peers,
                serves=store,
                seed=seed,
                listen=settings.listen,
                dht=settings.dht,
                mdns=settings.mdns,
            )
            async with opened as peering, _announced(peering, store) as announcing:
                yield Peers(peering, await _addresses(peering), announcing)
    elif settings.peers or settings.dht or settings.mdns:
        others = open_peering(settings.peers, dht=settings.dht, mdns=settings.mdns)
        async with others as peering:
            yield Peers(peering)
    else:
        await trio.lowlevel.checkpoint()
        yield Peers()


async def _addresses(peering: Peering) -> tuple[str, ...]:
    try:
        return (await peering.opened())[1]
    except Refused as problem:
        if type(problem) is not Refused:
            raise
        how = "--listen names another address, and with --no-peers none is needed"
        raise CannotListen(f"{problem}; {how}") from problem


@asynccontextmanager
async def _announced(peering: Peering, store: Lmdb) -> AsyncIterator[Announcing | None]:
    """Tell others in the DHT what was announced, if we are in it."""
    if peering.searching is None:
        await trio.lowlevel.checkpoint()
        yield None
        return

    def changes() -> Hashable:
        try:
            return store.version()
        except IpvmError:  # listing the roots says why
            return None

    announcing = Announcing(lambda: announced(store), peering.searching.provide, changes=changes)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(announcing.run)
        yield announcing
        nursery.cancel_scope.cancel()
