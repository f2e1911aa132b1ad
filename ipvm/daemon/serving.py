"""Serve a store: to browsers and other nodes over HTTP, to peers over Bitswap, and functions by an API.

One process does all of it over one store, which any others may use meanwhile.
"""

import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, final

import trio

from ipvm.daemon.admission import is_loopback, require_host
from ipvm.daemon.api import Api
from ipvm.daemon.failures import Forbidden, failed
from ipvm.daemon.logs import Log
from ipvm.daemon.metrics import Gauge, Metrics
from ipvm.daemon.operations import Bounds, Operations
from ipvm.daemon.routes import CONTENT
from ipvm.errors import IpvmError, Refused
from ipvm.exchange import BlockService, Source
from ipvm.exchange.peering import Peering, open_peering
from ipvm.exchange.peers import hold_identity
from ipvm.limits import Limits
from ipvm.node import Node, open_node
from ipvm.store.lmdb import Lmdb
from ipvm.store.serving import Serving, serving
from ipvm.web import Answer, Handler, Request, gateway, serve as serve_http

__all__ = ["CannotListen", "Settings", "serve"]

_BODY_BYTES_MAX: Final = 1024 * 1024
"""Body of a request: what is larger goes by its CID. All connections together may bring 256 of them."""


class CannotListen(Refused):
    """The address is taken, or not one of this machine."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is served, where, and for whom.

    Attributes:
        folder: Folder of the store.
        token: What those show who run code.
        host: The address to listen at.
        port: The port; 0 for any that is free.
        hosts: Names that the server is reached by, besides those of this machine; without any, a server
            that does not listen on the loopback interface answers to all names.
        listen: Where to listen for peers; without any, none are served.
        peers: Addresses of peers that are dialled, and that blocks may come from.
        sources: Where else blocks come from that functions need; text is the address of a gateway.
        offline: Leave the sources alone.
        fetch: Fetch also what is asked of the gateway, for anybody.
        bounds: What one request may ask for.
        runs_max: Functions that run at a time.
        grace_seconds: How long those who have asked are waited for in the end.
        limits: Bounds that protect this machine.
        cache: Keep machine code for later.
    """

    folder: Path
    token: bytes
    host: str = "127.0.0.1"
    port: int = 0
    hosts: frozenset[str] = frozenset()
    listen: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    sources: Sequence[Source | str] = ()
    offline: bool = False
    fetch: bool = False
    bounds: Bounds = field(default_factory=Bounds)
    runs_max: int = 8
    grace_seconds: float = 10.0
    limits: Limits = field(default_factory=Limits)
    cache: bool = True


async def serve(
    settings: Settings, *, log: Log, closing: trio.Event, on_ready: Callable[[Serving], None]
) -> None:
    """Serve until `closing` is set and those who have asked are answered, or cancelled.

    Args:
        settings: What, where, and for whom.
        log: Takes a line for each request.
        closing: To be set when it shall end.
        on_ready: Is told where it is served, once it is.

    Raises:
        CannotListen: The address cannot be listened at.
        IpvmError: The store, or what serves peers, cannot be opened.
    """
    async with AsyncExitStack() as stack:
        limits = settings.limits
        store = stack.enter_context(Lmdb(settings.folder, map_bytes=limits.store_map_bytes))
        peering = await stack.enter_async_context(_peering(settings, store))
        addresses = (await peering.opened())[1] if peering and settings.listen else ()
        metrics = Metrics()
        node = await stack.enter_async_context(
            open_node(
                store=store,
                offline=settings.offline,
                sources=_sources(settings, peering),
                limits=limits,
                on_log=log.note_guest,
                on_answer=metrics.note_fetch,
                cache=settings.cache,
            )
        )
        site = _Site(settings, store, node, metrics, peering)
        await _serve_http(settings, site, addresses, log=log, closing=closing, on_ready=on_ready)


async def _serve_http(
    settings: Settings,
    site: "_Site",
    peer_addresses: Sequence[str],
    *,
    log: Log,
    closing: trio.Event,
    on_ready: Callable[[Serving], None],
) -> None:
    def note(request: Request, status: int, sent: int, seconds: float) -> None:
        site.metrics.note_answer(request, status, sent, seconds)
        log.note_answer(request, status, sent, seconds)

    work = partial(
        serve_http,
        site.answer,
        host=settings.host,
        port=settings.port,
        body_bytes_max=_BODY_BYTES_MAX,
        on_answered=note,
        closing=closing,
    )
    async with trio.open_nursery() as nursery:
        try:
            host, port = await nursery.start(work)
        except OSError as error:
            place = f"{settings.host}, port {settings.port}"
            how = "--port names another port"
            raise CannotListen(f"cannot listen at {place}: {error.strerror}; {how}") from error
        record = Serving(
            gateway=f"http://{_reachable(host)}:{port}", peer=tuple(peer_addresses), pid=os.getpid()
        )
        with serving(settings.folder, record):
            on_ready(record)
            await closing.wait()
        site.api.is_closing = True
        nursery.cancel_scope.deadline = trio.current_time() + settings.grace_seconds


@asynccontextmanager
async def _peering(settings: Settings, store: Lmdb) -> AsyncIterator[Peering | None]:
    """Open what exchanges blocks with peers, if it is wanted."""
    if not (settings.listen or settings.peers):
        await trio.lowlevel.checkpoint()
        yield None
        return
    async with AsyncExitStack() as stack:
        is_served = bool(settings.listen)
        seed = stack.enter_context(hold_identity(settings.folder)) if is_served else None
        opened = open_peering(
            settings.peers,
            serves=store if is_served else None,
            seed=seed,
            listen=settings.listen,
        )
        yield await stack.enter_async_context(opened)


def _sources(settings: Settings, peering: Peering | None) -> list[Source | str]:
    """Put the peers behind stores and Kubo, and before gateways."""
    near = [each for each in settings.sources if not isinstance(each, str)]
    gateways = [each for each in settings.sources if isinstance(each, str)]
    peers = [peering] if peering and settings.peers else []
    return [*near, *peers, *gateways]


@final
class _Site:
    """What answers: the gateway below `/ipfs/`, the API elsewhere."""

    def __init__(
        self,
        settings: Settings,
        store: Lmdb,
        node: Node,
        metrics: Metrics,
        peering: Peering | None,
    ) -> None:
        near = BlockService(store, limits=settings.limits)
        self.metrics = metrics
        self._operations = Operations(node, settings.bounds)
        self.api = Api(
            self._operations,
            metrics,
            token=settings.token,
            runs_max=settings.runs_max,
            probe=store.statistics,
        )
        metrics.measured = self._measured
        self._gateway: Handler = gateway(node.blocks if settings.fetch else near, near=near)
        self._hosts = settings.hosts if settings.hosts or is_loopback(settings.host) else None
        self._store = store
        self._peering = peering

    async def answer(self, request: Request) -> Answer:
        """Answer a request."""
        try:
            require_host(request, self._hosts)
        except Forbidden as error:
            await trio.lowlevel.checkpoint()
            return failed(error)
        handler = self._gateway if request.path.startswith(CONTENT) else self.api.answer
        return await handler(request)

    async def _measured(self) -> list[Gauge]:
        gauges = [
            Gauge("ipvm_runs", "gauge", "Functions that run at this moment.", self.api.running),
            Gauge("ipvm_runs_total", "counter", "Functions that were run.", self._operations.runs),
            Gauge("ipvm_fuel_total", "counter", "Fuel that they used.", self._operations.fuel_used),
            Gauge(
                "ipvm_peers",
                "gauge",
                "Peers that are connected.",
                len(self._peering.peers) if self._peering else 0,
            ),
        ]
        try:
            kept = await self._store.statistics()
        except IpvmError:  # readyz tells that
            return gauges
        return [
            *gauges,
            Gauge("ipvm_store_blocks", "gauge", "Blocks in the store.", kept.blocks),
            Gauge("ipvm_store_block_bytes", "gauge", "Bytes of all blocks.", kept.block_bytes),
            Gauge("ipvm_store_disk_bytes", "gauge", "Bytes on the disk.", kept.disk_bytes),
        ]


def _reachable(host: str) -> str:
    """Give the address that others can name; one of this machine, if it listens at all of them."""
    wildcards = {"0.0.0.0": ("192.0.2.1", socket.AF_INET), "::": ("2001:db8::1", socket.AF_INET6)}  # noqa: S104
    if host in wildcards:
        there, family = wildcards[host]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((there, 9))  # sends nothing, and chooses a way
                host = str(probe.getsockname()[0])
            except OSError:
                host = "127.0.0.1" if family is socket.AF_INET else "::1"
    return f"[{host}]" if ":" in host else host
