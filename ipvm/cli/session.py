"""Open what a command works on, as the shared options say, and run it under trio."""

import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, final

import click
import trio

from ipvm.cli.activity import Activity, activity
from ipvm.cli.fetching import Fetching
from ipvm.cli.options import Settings, current_settings
from ipvm.cli.output import Output
from ipvm.cli.terminal import plural
from ipvm.exchange import Source, StoreSource, configured_gateways
from ipvm.ipld import Cid
from ipvm.limits import Limits
from ipvm.node import Node, open_node
from ipvm.registry import CidTarget, parse_target
from ipvm.store import store_path
from ipvm.store.lmdb import Lmdb

if TYPE_CHECKING:
    from ipvm.exchange.kubo import Kubo
    from ipvm.registry import Published

__all__ = [
    "Session",
    "limits_of",
    "opened_kubo",
    "opened_sources",
    "run",
    "run_alone",
    "run_on_store",
    "run_to_end",
]


@final
@dataclass(frozen=True, slots=True)
class Session:
    """What a command works on.

    Attributes:
        node: The open node.
        output: Where it writes.
        activity: What a person who waits is told.
    """

    node: Node
    output: Output
    activity: Activity

    async def resolve(self, target: str) -> Cid:
        """Give the CID that a TARGET means. A path is published, and it is noted as what."""
        parsed = parse_target(target, exists=os.path.exists)
        if isinstance(parsed, CidTarget):
            return parsed.cid
        published = await self.node.publication(parsed.path)
        self.note_published(parsed.path, published)
        return published.cid

    def note_published(self, path: str, published: "Published") -> None:
        """Tell what was published on the way, and as what."""
        for other, cid in published.dependencies.items():
            self.output.note(f"{cid}  {path_shown(other)}")
        self.output.note(f"{published.cid}  {path_shown(path)}")


def path_shown(path: str) -> str:
    """Give a path as a person would type it here."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def run(action: Callable[[Session], Awaitable[int | None]], *, doing: str) -> None:
    """Open the node, and run a command on it.

    Args:
        action: The command. What it returns is the exit code; nothing is success.
        doing: What a person who waits is told.
    """
    settings = current_settings()
    output = Output(settings)
    is_alone = not gc.isenabled()  # see `entry.main`

    async def work() -> int | None:
        async with _activity(doing, output) as going_on:
            fetching = Fetching(output.answer if settings.trace else None, is_alone=is_alone)
            going_on.fetched = fetching.shown
            async with _node(settings, output, fetching) as node:
                going_on.detail = partial(_compiling, node)
                return await action(Session(node, output, going_on))

    run_to_end(work)


def _compiling(node: Node) -> str:
    """Tell how far compiling is, behind what is going on."""
    found = node.compiling
    if found is None:
        return ""
    return f": {found.ready:,} of {plural(found.modules, 'module')} compiled"


def run_on_store(
    action: Callable[[Lmdb, Output, Activity], Awaitable[int | None]], *, doing: str
) -> None:
    """Run a command on the store alone; see `run`."""
    settings = current_settings()
    output = Output(settings)

    async def work() -> int | None:
        async with _activity(doing, output) as going_on:
            path = store_path(settings.store, os.environ)
            with Lmdb(path, map_bytes=limits_of(settings).store_map_bytes) as store:
                return await action(store, output, going_on)

    run_to_end(work)


def run_alone(action: Callable[[Output], Awaitable[None]], *, doing: str) -> None:
    """Run a command that needs neither a node nor a store; see `run`."""
    output = Output(current_settings())

    async def work() -> None:
        async with _activity(doing, output):
            await action(output)

    run_to_end(work)


def run_to_end(work: Callable[[], Awaitable[int | None]]) -> None:
    """Run a command under trio, and end with the exit code that it gives."""
    if not gc.isenabled():  # see `entry.main`
        gc.freeze()  # what was imported stays; to look for garbage in it takes 10 ms
        gc.enable()
    # Elsewhere an interrupt could hit a function of ours that wasmtime has called.
    code = trio.run(work, restrict_keyboard_interrupt_to_checkpoints=True)
    click.get_current_context().exit(code or 0)


@asynccontextmanager
async def _activity(doing: str, output: Output) -> AsyncIterator[Activity]:
    async with activity(doing, shown=output.shows_progress) as going_on:
        output.make_room = going_on.make_room
        yield going_on


@asynccontextmanager
async def _node(settings: Settings, output: Output, fetching: Fetching) -> AsyncIterator[Node]:
    async with AsyncExitStack() as stack:
        near, gateways = await stack.enter_async_context(opened_sources(settings))
        peers, found = settings.peers, list[Source]()
        if (settings.dht or settings.mdns) and not settings.offline:
            peering, found = await stack.enter_async_context(_opened_peering(settings))
            near, peers = [*near, peering], []
        async with open_node(
            store=settings.store,
            offline=settings.offline,
            sources=[*near, *gateways, *found],
            peers=peers,
            limits=limits_of(settings),
            on_log=output.log,
            on_answer=fetching.take,
            cache=not settings.no_cache,
        ) as node:
            yield node


@asynccontextmanager
async def opened_sources(settings: Settings) -> AsyncIterator[tuple[list[Source], list[str]]]:
    """Open what blocks may come from besides peers: what is asked before them, and the gateways."""
    async with AsyncExitStack() as stack:
        near: list[Source] = [
            StoreSource(stack.enter_context(Lmdb(path)), name=str(path))
            for path in settings.sources
        ]
        if settings.kubo and not settings.offline:
            near.append(await stack.enter_async_context(opened_kubo(settings)))
        gateways = settings.gateways
        if not gateways and not settings.offline:
            gateways = configured_gateways(os.environ)
        yield near, gateways


@asynccontextmanager
async def _opened_peering(settings: Settings) -> AsyncIterator[tuple[Source, list[Source]]]:
    """Give the peers that were named or are neighbours, and those that are found by asking them."""
    from ipvm.exchange.peering import open_peering  # noqa: PLC0415 - few have peers

    async with open_peering(settings.peers, dht=settings.dht, mdns=settings.mdns) as peering:
        yield peering, [peering.searching] if peering.searching is not None else []


def opened_kubo(settings: Settings) -> "Kubo":
    """Give the Kubo that was named, or that runs here.

    Raises:
        InvalidKubo: What was named is no address.
        KuboUnavailable: Nothing was named, and none runs here.
    """
    from ipvm.exchange.kubo import Kubo, configured_kubo  # noqa: PLC0415 - few have one

    named = settings.kubo
    address = configured_kubo(os.environ) if named is None or named == "auto" else named
    return Kubo(address, searches=settings.kubo_search, limits=limits_of(settings))


def limits_of(settings: Settings) -> Limits:
    """Give the bounds that protect this machine."""
    return Limits(**settings.limits)
