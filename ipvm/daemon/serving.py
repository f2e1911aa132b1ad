"""Serve a store: to browsers and other nodes over HTTP, to peers over Bitswap, and functions by an API.

One process does all of it over one store, which any others may use meanwhile.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from functools import partial
from typing import Final

import trio

from ipvm.daemon.logs import Log
from ipvm.daemon.metrics import Metrics
from ipvm.daemon.peers import Peers, open_peers
from ipvm.daemon.settings import CannotListen, Settings
from ipvm.daemon.site import Site
from ipvm.node import open_node
from ipvm.store.lmdb import Lmdb
from ipvm.store.serving import Serving, serving
from ipvm.web import Request, serve as serve_http

__all__ = ["serve"]

_LOG: Final = logging.getLogger(__name__)


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
        peers = await stack.enter_async_context(open_peers(settings, store))
        metrics = Metrics()
        node = await stack.enter_async_context(
            open_node(
                store=store,
                offline=settings.offline,
                sources=peers.among(settings),
                limits=limits,
                on_log=log.note_guest,
                on_answer=metrics.note_fetch,
                cache=settings.cache,
            )
        )
        site = Site(settings, store, node, metrics, peers)
        await _serve_http(settings, site, peers, log=log, closing=closing, on_ready=on_ready)


async def _serve_http(
    settings: Settings,
    site: Site,
    peers: Peers,
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
        body_bytes_max=site.api.body_bytes_max,
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
            gateway=f"http://{_reachable(host)}:{port}",
            peer=peers.addresses,
            dht=peers.is_announcing,
            pid=os.getpid(),
        )
        with _recorded(settings, record):
            on_ready(record)
            await closing.wait()
        site.api.is_closing = True
        nursery.cancel_scope.deadline = trio.current_time() + settings.grace_seconds


@contextmanager
def _recorded(settings: Settings, record: Serving) -> Iterator[None]:
    """Keep a record beside the store, if that can be written to."""
    with ExitStack() as stack:
        try:
            stack.enter_context(serving(settings.folder, record))
        except OSError as error:
            _LOG.warning("others are not told where this is served: %s", error)
        yield


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
