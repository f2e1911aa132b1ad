"""A gateway as a source: single blocks as bytes, and many that are linked as one CAR.

What it serves is spelled as in the trustless gateway specification. A gateway that serves no CARs is
asked for one once.
"""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Self, TypeAlias, final
from urllib.parse import quote

from trio.lowlevel import checkpoint

from ipvm.errors import NotFound, Unavailable
from ipvm.exchange.gateway.address import Address, gateway_address
from ipvm.exchange.sources import block_too_large
from ipvm.ipld import BlockNotFound, Cid
from ipvm.limits import Limits
from ipvm.store.car import Section

if TYPE_CHECKING:
    from ipvm.exchange.gateway.client import Client, Download
    from ipvm.exchange.gateway.pool import Pool

__all__ = ["EntityBytes", "Gateway", "Scope"]

Scope: TypeAlias = Literal["all", "entity", "block"]
"""All that is reached; one file, or one folder without what is in it; one block."""

_RAW: Final = "application/vnd.ipld.raw"
_CAR: Final = "application/vnd.ipld.car"
_CAR_ACCEPTED: Final = f"{_CAR}; version=1; order=dfs; dups=n"
_PLAIN: Final = frozenset({_RAW, "application/octet-stream", ""})
_LIMITS: Final = Limits()


class EntityBytes(NamedTuple):
    """A part of a file: from one byte to another, both included; negative ones count from the end."""

    first: int
    last: int | None = None


@final
class Gateway:
    """A trustless HTTP gateway. Close it, or use it as a context, so that no connection is left.

    Args:
        url: Its address, as in `https://ipfs.example`.
        limits: Bounds of what is taken from it.
        tls: Whom to believe that they are who they say; else what the system believes.

    Attributes:
        name: Its address.

    Raises:
        InvalidGateway: The address is none.
    """

    def __init__(
        self, url: str, *, limits: Limits = _LIMITS, tls: ssl.SSLContext | None = None
    ) -> None:
        self._address = gateway_address(url)
        self.name = str(self._address)
        self._limits = limits
        self._tls = tls
        self._pool: Pool | None = None
        self._client: Client | None = None
        self._serves_cars = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections: those in use, too, when they are not any more."""
        await checkpoint()
        if self._pool is not None:
            self._pool.close()

    async def fetch(self, cid: Cid) -> bytes:
        """Return what the gateway says is the block of `cid`, unverified.

        Raises:
            BlockNotFound: It has it not.
            LimitExceeded: It sends more than is taken of one block.
            Unavailable: It cannot be reached, or does not answer as it should.
        """
        maximum = self._limits.fetched_block_bytes_max
        try:
            async with self._ready().get(
                self._asked_for(f"{cid}?format=raw"), accept=_RAW
            ) as download:
                self._require_media_type(download, _PLAIN)
                data = await download.read(maximum)
        except NotFound as error:
            raise BlockNotFound(cid) from error
        if data is None:
            raise block_too_large(maximum)
        return data

    @asynccontextmanager
    async def fetch_dag(
        self, root: Cid, path: Sequence[str] = ()
    ) -> AsyncIterator[AsyncIterator[Section]]:
        """Send all that is reached from the end of a path, and what is on the way."""
        async with self.fetch_car(root, path) as sections:
            yield sections

    @asynccontextmanager
    async def fetch_car(
        self,
        root: Cid,
        path: Sequence[str] = (),
        *,
        scope: Scope = "all",
        entity_bytes: EntityBytes | None = None,
    ) -> AsyncIterator[AsyncIterator[Section]]:
        """Send blocks in one CAR: those on the way along a path, and those behind its end.

        Args:
            root: Where the path begins.
            path: Names of entries.
            scope: What of what is at the end.
            entity_bytes: Which part of a file at the end.

        Raises:
            BlockNotFound: It has them not, or serves no CARs.
            InvalidCar: What it sends is none; while iterating.
            Unavailable: It cannot be reached, or does not answer as it should.
        """
        if not self._serves_cars:
            raise BlockNotFound(root)
        names = "".join("/" + quote(name, safe="") for name in path)
        query = f"?format=car&dag-scope={scope}"
        if entity_bytes is not None:
            last = "*" if entity_bytes.last is None else entity_bytes.last
            query += f"&entity-bytes={entity_bytes.first}:{last}"
        address = self._asked_for(f"{root}{names}{query}")
        from ipvm.exchange.gateway.client import NotServed  # noqa: PLC0415 - see `_ready`

        try:
            async with self._ready().get(address, accept=_CAR_ACCEPTED) as download:
                self._require_media_type(download, {_CAR})
                async with aclosing(download.sections()) as sections:
                    yield sections
        except NotServed as error:
            self._serves_cars = False
            raise BlockNotFound(root) from error
        except NotFound as error:
            raise BlockNotFound(root) from error

    def _asked_for(self, what: str) -> Address:
        return Address(self._address.origin, f"{self._address.target}/ipfs/{what}")

    def _ready(self) -> "Client":
        if self._client is None:
            # Whoever asks nobody does without h11.
            from ipvm.exchange.gateway.client import Client  # noqa: PLC0415
            from ipvm.exchange.gateway.pool import Pool  # noqa: PLC0415

            connections_max = self._limits.gateway_connections_max
            self._pool = Pool(connections_max=connections_max, tls=self._tls)
            self._client = Client(self.name, self._pool)
        return self._client

    def _require_media_type(self, download: "Download", wanted: frozenset[str] | set[str]) -> None:
        found = download.response.media_type
        if found not in wanted:
            raise Unavailable(f"{self.name} answers with {found[:80]!r}: it may be no gateway")
