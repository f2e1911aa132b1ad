"""Put the parts together: the only place that chooses which store and which sources there are.

A node is what `ipvm.open()` gives. It turns names, which can change, into CIDs, which cannot, and
hands those to the runtime.
"""

import logging
import os
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack, final

import trio

from ipvm import registry
from ipvm.engine import Bundles, Compiler, opened_engine
from ipvm.exchange import BlockService, OnAnswer, Pins, Source, opened_blocks
from ipvm.files import Files
from ipvm.ipld import DAG_CBOR, RAW, Block, Cid, Value
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT, Limits
from ipvm.linker import Survey, survey
from ipvm.model import Profile
from ipvm.model.wording import printable
from ipvm.registry import CidTarget, PathTarget, Target, parse_target
from ipvm.runtime import CallOptions, Cars, Compiling, LogSink, Program, Runtime, gather, resolved
from ipvm.store import Blockstore, Collected

if TYPE_CHECKING:
    from ipvm.files.adding import AddOptions
    from ipvm.registry import Published
    from ipvm.runtime.running import CommandResult, RunOptions
    from ipvm.runtime.session import Session

__all__ = ["Node", "open_node"]

_GUESTS: Final = logging.getLogger("ipvm.guest")


@final
class Node:
    """A store, the sources behind it, and a runtime over both.

    Attributes:
        store: Where blocks are kept.
        blocks: The store, and the sources behind it.
        files: Files and folders by path, over `blocks`.
        limits: Bounds that protect this machine.
    """

    def __init__(
        self,
        store: Blockstore,
        blocks: BlockService,
        *,
        compiler: Compiler,
        bundles: Bundles | None,
        limits: Limits,
        on_log: LogSink,
    ) -> None:
        self.store = store
        self.blocks = blocks
        self.files = Files(self.blocks)
        self.pins = Pins(store, self.blocks)
        self.cars = Cars(store, self.blocks, limits)
        self.limits = limits
        self._runtime = Runtime(
            self.blocks, compiler=compiler, bundles=bundles, limits=limits, on_log=on_log
        )

    @property
    def compiling(self) -> Compiling | None:
        """What is being compiled, if anything is: for who tells a person how far it is."""
        return self._runtime.compiling

    async def load(
        self,
        target: Cid | str | Path,
        *,
        fuel: int = FUEL_DEFAULT,
        memory: int = MEMORY_DEFAULT,
        profile: Profile = "deterministic",
    ) -> Program:
        """Link a program and give its functions.

        Args:
            target: A CID, `ipfs://CID`, or a path, which is published first.
            fuel: Fuel of each call; about 10^9 are a second.
            memory: Bytes that the memories of a call may take together.
            profile: `deterministic`, or `fast`, which counts no fuel.

        Raises:
            NotFound, Unavailable, InvalidData, LinkError, Refused: It cannot be had.
        """
        await trio.lowlevel.checkpoint()
        options = CallOptions(fuel=fuel, memory=memory, profile=profile)
        cid = await self.resolve(target)
        return Program(self._runtime, await self._runtime.load(cid, profile), options)

    @asynccontextmanager
    async def session(
        self,
        target: Cid | str | Path,
        *,
        fuel: int = FUEL_DEFAULT,
        memory: int = MEMORY_DEFAULT,
        profile: Profile = "deterministic",
    ) -> AsyncIterator["Session"]:
        """Link a program and bring it to life: its functions share one instance, state and all.

        The arguments are those of `load`; the memory is that of the instance, as long as it lives.

        Raises:
            NotFound, Unavailable, InvalidData, LinkError, Refused: It cannot be had.
            GuestError: It failed to initialise.
        """
        program = await self.load(target, fuel=fuel, memory=memory, profile=profile)
        async with program.session() as session:
            yield session

    async def run(
        self,
        target: Cid | str | Path,
        arguments: Sequence[str] = (),
        **options: Unpack["RunOptions"],
    ) -> "CommandResult":
        """Run a WASI command over files and folders by CID; what it writes becomes CIDs.

        Args:
            target: A CID, `ipfs://CID`, or a path, which is published first.
            arguments: What it is told, without its own name.
            options: See `ipvm.runtime.running.RunOptions`.

        Raises:
            InvalidArguments: The program is no command, or it cannot be given that.
            NotFound, Unavailable, InvalidData, LinkError, Refused: Something cannot be had.
        """
        from ipvm.runtime.running import run  # noqa: PLC0415 - calls do without it

        root = await self.resolve(target)
        return await run(self._runtime, self.files, self.pins, root, arguments, **options)

    async def resolve(self, target: Cid | str | Path) -> Cid:
        """Give the CID that a target means; a path is published."""
        await trio.lowlevel.checkpoint()
        parsed = self._parse(target)
        return parsed.cid if isinstance(parsed, CidTarget) else await self.publish(parsed.path)

    @staticmethod
    def _parse(target: Cid | str | Path) -> Target:
        if isinstance(target, Cid):
            return CidTarget(cid=target)
        if isinstance(target, Path):
            return PathTarget(path=str(target))
        return parse_target(target, exists=os.path.exists)

    async def publish(self, path: str | Path, *, pin: bool = True, announce: bool = False) -> Cid:
        """Publish the function of a folder or of a file, and give its CID.

        Args:
            path: The folder or file.
            pin: Keep it from being collected as garbage, by a pin with the name of the path. What
                was published from there before is not pinned by that name any more.
            announce: Let who serves this store tell others of it; it is pinned then.

        Raises:
            InvalidData: A file is not what it should be.
            LinkError: An import is not served, or does not fit.
            NotFound, Refused: A file cannot be read.
        """
        return (await self.publication(path, pin=pin, announce=announce)).cid

    async def publication(
        self, path: str | Path, *, pin: bool = True, announce: bool = False
    ) -> "Published":
        """Publish like `publish`, and tell what was published."""
        pins = self.pins if announce or (pin and self.pins.are_kept) else None
        return await registry.publish(
            Path(path), self.blocks, limits=self.limits, pins=pins, announce=announce
        )

    async def collect_garbage(self, *, dry_run: bool = False) -> Collected:
        """Delete the blocks that no pin reaches, and nobody put meanwhile. Others may work on.

        Args:
            dry_run: Delete nothing, only tell.
        """
        return await self.pins.collect_garbage(dry_run=dry_run)

    async def survey(self, target: Cid | str | Path) -> Survey:
        """Look at the closure of a target, whether it links or not, without compiling it.

        Nothing is stored: a path is only laid out as `publish` would.
        """
        await trio.lowlevel.checkpoint()
        parsed = self._parse(target)
        if isinstance(parsed, PathTarget):
            return await registry.preview(Path(parsed.path), self.blocks, limits=self.limits)
        planner = await gather(parsed.cid, self.blocks, limits=self.limits)
        return await resolved(planner, survey)

    async def relink(
        self, target: Cid | str | Path, imports: Mapping[str, Cid | str | Path]
    ) -> Cid:
        """Give the CID of a manifest like the target's with other links for some imports."""
        await trio.lowlevel.checkpoint()
        links = {name: await self.resolve(other) for name, other in imports.items()}
        return await registry.relink(
            await self.resolve(target), links, self.blocks, limits=self.limits
        )

    async def add(
        self, source: str | Path | bytes | AsyncIterable[bytes], **options: Unpack["AddOptions"]
    ) -> Cid:
        """Add a path, or the content of a file, and give its CID; see `ipvm.files.adding`."""
        from ipvm.files.adding import add  # noqa: PLC0415 - calls do without it

        return await add(source, self.blocks, self.pins, **options)

    async def put(self, data: bytes, *, codec: int = RAW) -> Cid:
        """Keep bytes as one block and give its CID.

        Raises:
            InvalidData: They are not valid under the codec, or too many for a block.
        """
        await trio.lowlevel.checkpoint()
        block = Block.of(data, codec=codec)
        block.decode()
        await self.blocks.put(block)
        return block.cid

    async def get(self, cid: Cid | str) -> bytes:
        """Give the bytes of a block; raises NotFound or Unavailable if it cannot be had."""
        return (await self._block(cid)).data

    async def put_value(self, value: Value, *, codec: int = DAG_CBOR) -> Cid:
        """Keep an IPLD value as one block and give its CID."""
        await trio.lowlevel.checkpoint()
        block = Block.encode(value, codec=codec)
        await self.blocks.put(block)
        return block.cid

    async def get_value(self, cid: Cid | str) -> Value:
        """Give the value of a block."""
        return (await self._block(cid)).decode()

    async def _block(self, cid: Cid | str) -> Block:
        if isinstance(cid, str):
            await trio.lowlevel.checkpoint()
            cid = Cid.parse(cid.removeprefix("ipfs://"))
        return await self.blocks.get(cid)


@asynccontextmanager
async def open_node(  # noqa: PLR0913 - settings, each with its name
    *,
    store: Blockstore | str | Path | None = None,
    offline: bool = False,
    sources: Sequence[Source | str] | None = None,
    peers: Sequence[str] = (),
    limits: Limits | None = None,
    on_log: LogSink | None = None,
    on_answer: OnAnswer | None = None,
    cache: bool = True,
) -> AsyncIterator[Node]:
    """Open a node; what it opened is closed on the way out.

    Args:
        store: A store, or the folder of one; else `IPVM_STORE` or the platform's data folder.
        offline: Leave the sources alone.
        sources: Where blocks come from that the store has not, asked in this order; text is the
            address of a gateway. Without any, the gateways that the user of this machine has chosen.
        peers: Addresses of peers, asked over Bitswap before gateways. Needs the extra `ipvm[p2p]`.
        limits: Bounds that protect this machine.
        on_log: Takes what guests say; the logger `ipvm.guest` takes it otherwise.
        on_answer: Is told which source was asked for what, and what came of it.
        cache: Keep machine code for later, in `IPVM_CACHE` or the platform's cache folder, and take
            it from there.

    Raises:
        Refused: The installed engine is not the one that this version knows.
        InvalidData, Refused: The store cannot be opened, or a source has no such address.
    """
    await trio.lowlevel.checkpoint()
    bounds, sink = limits or Limits(), on_log or _log
    behind, dialled = ((), ()) if offline else (sources, peers)
    opened = opened_blocks(store, behind, peers=dialled, limits=bounds, on_answer=on_answer)
    async with (
        opened_engine(cache=cache, limits=bounds) as (compiler, bundles),
        opened as (kept, blocks),
    ):
        yield Node(kept, blocks, compiler=compiler, bundles=bundles, limits=bounds, on_log=sink)


def _log(cid: Cid, message: str) -> None:
    if _GUESTS.isEnabledFor(logging.INFO):
        _GUESTS.info("%s: %s", cid, printable(message))
