"""A node whose methods wait, and the thread behind it."""

import threading
from collections.abc import AsyncIterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, final

import trio

from ipvm.exchange import OnAnswer, Source
from ipvm.ipld import DAG_CBOR, RAW, Cid, Value
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT, Limits
from ipvm.linker import Survey
from ipvm.model import Profile
from ipvm.node import Node, open_node
from ipvm.registry import Published
from ipvm.runtime import LogSink
from ipvm.store import Blockstore, Collected
from ipvm.sync.cars import SyncCars
from ipvm.sync.files import SyncFiles
from ipvm.sync.functions import SyncProgram
from ipvm.sync.loop import Handover, Loop, require_outside_trio
from ipvm.sync.pins import SyncPins
from ipvm.sync.sessions import SyncSession

if TYPE_CHECKING:
    from ipvm.files.adding import AddOptions
    from ipvm.runtime.running import CommandResult, RunOptions

__all__ = ["SyncNode", "open"]


@final
class SyncNode:
    """A node; see `ipvm.Node` for what each method does and raises."""

    def __init__(self, loop: Loop, node: Node) -> None:
        self._loop = loop
        self._node = node

    def load(
        self,
        target: Cid | str | Path,
        *,
        fuel: int = FUEL_DEFAULT,
        memory: int = MEMORY_DEFAULT,
        profile: Profile = "deterministic",
    ) -> SyncProgram:
        """Link a program and give its functions."""
        program = self._loop.wait(
            lambda: self._node.load(target, fuel=fuel, memory=memory, profile=profile)
        )
        return SyncProgram(self._loop, program)

    @contextmanager
    def session(
        self,
        target: Cid | str | Path,
        *,
        fuel: int = FUEL_DEFAULT,
        memory: int = MEMORY_DEFAULT,
        profile: Profile = "deterministic",
    ) -> Iterator[SyncSession]:
        """Link a program and bring it to life for as long as a `with` lasts."""
        program = self.load(target, fuel=fuel, memory=memory, profile=profile)
        with program.session() as session:
            yield session

    def run(
        self,
        target: Cid | str | Path,
        arguments: Sequence[str] = (),
        **options: Unpack["RunOptions"],
    ) -> "CommandResult":
        """Run a WASI command; what it writes becomes CIDs."""
        return self._loop.wait(lambda: self._node.run(target, arguments, **options))

    def resolve(self, target: Cid | str | Path) -> Cid:
        """Give the CID that a target means; a path is published."""
        return self._loop.wait(lambda: self._node.resolve(target))

    def publish(self, path: str | Path, *, pin: bool = True, announce: bool = False) -> Cid:
        """Publish the function of a folder or of a file, and give its CID."""
        return self._loop.wait(lambda: self._node.publish(path, pin=pin, announce=announce))

    def publication(
        self, path: str | Path, *, pin: bool = True, announce: bool = False
    ) -> Published:
        """Publish like `publish`, and tell what was published."""
        return self._loop.wait(lambda: self._node.publication(path, pin=pin, announce=announce))

    @property
    def pins(self) -> SyncPins:
        """What is to stay in the store."""
        return SyncPins(self._loop, self._node)

    @property
    def files(self) -> SyncFiles:
        """Files by path."""
        return SyncFiles(self._loop, self._node)

    @property
    def cars(self) -> SyncCars:
        """What reads and writes CAR files."""
        return SyncCars(self._loop, self._node)

    def collect_garbage(self, *, dry_run: bool = False) -> Collected:
        """Delete the blocks that no pin reaches, and nobody put meanwhile."""
        return self._loop.wait(lambda: self._node.collect_garbage(dry_run=dry_run))

    def survey(self, target: Cid | str | Path) -> Survey:
        """Look at the closure of a target, whether it links or not, without compiling it."""
        return self._loop.wait(lambda: self._node.survey(target))

    def relink(self, target: Cid | str | Path, imports: Mapping[str, Cid | str | Path]) -> Cid:
        """Give the CID of a manifest like the target's with other links for some imports."""
        return self._loop.wait(lambda: self._node.relink(target, imports))

    def add(
        self, source: str | Path | bytes | AsyncIterable[bytes], **options: Unpack["AddOptions"]
    ) -> Cid:
        """Add a file or a folder, and give its CID."""
        return self._loop.wait(lambda: self._node.add(source, **options))

    def put(self, data: bytes, *, codec: int = RAW) -> Cid:
        """Keep bytes as one block and give its CID."""
        return self._loop.wait(lambda: self._node.put(data, codec=codec))

    def get(self, cid: Cid | str) -> bytes:
        """Give the bytes of a block."""
        return self._loop.wait(lambda: self._node.get(cid))

    def put_value(self, value: Value, *, codec: int = DAG_CBOR) -> Cid:
        """Keep an IPLD value as one block and give its CID."""
        return self._loop.wait(lambda: self._node.put_value(value, codec=codec))

    def get_value(self, cid: Cid | str) -> Value:
        """Give the value of a block."""
        return self._loop.wait(lambda: self._node.get_value(cid))


@contextmanager
def open(  # noqa: A001, PLR0913 - `ipvm.sync.open()` is how it is called; see `ipvm.open`
    *,
    store: Blockstore | str | Path | None = None,
    offline: bool = False,
    sources: Sequence[Source | str] | None = None,
    peers: Sequence[str] = (),
    limits: Limits | None = None,
    on_log: LogSink | None = None,
    on_answer: OnAnswer | None = None,
    cache: bool = True,
) -> Iterator[SyncNode]:
    """Open a node in a thread of its own; see `ipvm.open`."""
    require_outside_trio()
    started = Handover()

    async def serve() -> None:
        async with open_node(
            store=store,
            offline=offline,
            sources=sources,
            peers=peers,
            limits=limits,
            on_log=on_log,
            on_answer=on_answer,
            cache=cache,
        ) as node:
            stop = trio.Event()
            async with trio.open_nursery() as nursery:
                started.give(node, Loop(trio.lowlevel.current_trio_token(), nursery), stop)
                await stop.wait()
                nursery.cancel_scope.cancel()

    thread = threading.Thread(target=started.run, args=(serve,), name="ipvm", daemon=True)
    try:
        thread.start()
        node, loop = started.take()
        yield SyncNode(loop, node)
    finally:
        started.stop()
        if thread.is_alive():  # where starting it was interrupted, it may not be yet
            thread.join()
    started.check()
