"""A guest that Python moves: each host call is an export of it, and its memory is a view.

So a test makes any host call with any numbers, in a store that lives on from call to call, and sees
every byte that changes. What the runtime does for guests is done by a shelf of blocks; the same
calls through the whole runtime are tried in the folder `guests`.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, final

import pytest
import trio

from ipvm.engine import (
    Assembly,
    CallShape,
    CompiledModule,
    Engine,
    InstanceExport,
    Part,
    Store,
    call,
    compile_now,
    engine_for,
    text_to_module,
)
from ipvm.errors import IpvmError
from ipvm.files.directory import directory, entry
from ipvm.files.nodes import Written
from ipvm.files.profiles import V1_2025
from ipvm.host import (
    HOST_CALLS,
    KERNEL,
    MEMORY,
    CallOutcome,
    Kernel,
    OpenBlock,
    Syscalls,
    arm,
    binding_part,
    kernel_part,
    stub_export,
    stub_part,
)
from ipvm.ipld import Block, BlockNotFound, Cid
from ipvm.model import Profile

PAGE = 65_536
FUEL = 10**15
HEAP_BYTES = 64 * 1024 * 1024

_NAMES: Final = tuple((each.module.encode(), each.name.encode()) for each in HOST_CALLS)
_SHAPES: Final = {each.name: CallShape(each.type.params, each.type.results) for each in HOST_CALLS}
_BITS: Final = {each.name: [int(kind[1:]) for kind in each.type.params] for each in HOST_CALLS}


@final
class Shelf:
    """The services of an invocation, over a handful of blocks.

    Attributes:
        blocks: What can be opened; an exception is raised.
        opened: The CIDs that were asked for.
        keep_fails: What is raised instead of keeping anything.
        kept: What guests made.
        calls: The calls by CID that were asked for.
        outcome: What each of them comes to; an exception is raised.
        logs: What guests said, with their numbers.
        cids: Those of the guests.
    """

    def __init__(self) -> None:
        self.blocks: dict[Cid, Block | Exception] = {}
        self.keep_fails: Exception | None = None
        self.opened: list[Cid] = []
        self.kept: list[Block] = []
        self.calls: list[tuple[Cid, str, list[OpenBlock | None], int | None]] = []
        self.outcome: CallOutcome | IpvmError = CallOutcome(exit=0)
        self.logs: list[tuple[int, str]] = []
        self.cids = [Cid.of(b"guest %d" % number) for number in range(4)]

    def add(self, data: bytes, *, codec: int = 0x55, hash_code: int = 0x12) -> Cid:
        block = Block.of(data, codec=codec, hash_code=hash_code)
        self.blocks[block.cid] = block
        return block.cid

    def add_folder(self, entries: dict[str, Cid]) -> Cid:
        root, blocks = directory(
            [entry(name.encode(), Written(cid, 0, 0)) for name, cid in entries.items()], V1_2025
        )
        self.blocks.update((block.cid, block) for block in blocks)
        return root.cid

    async def open(self, cid: Cid) -> Block:
        await trio.lowlevel.checkpoint()
        self.opened.append(cid)
        if cid.is_identity:
            return Block(cid, cid.digest)
        found = self.blocks.get(cid, BlockNotFound(cid))
        if isinstance(found, Exception):
            raise found
        return found

    async def keep(self, block: Block) -> None:
        await trio.lowlevel.checkpoint()
        if self.keep_fails is not None:
            raise self.keep_fails
        self.kept.append(block)

    async def call(
        self, cid: Cid, function: str, arguments: list[OpenBlock | None], fuel: int | None
    ) -> CallOutcome:
        await trio.lowlevel.checkpoint()
        self.calls.append((cid, function, arguments, fuel))
        if isinstance(self.outcome, IpvmError):
            raise self.outcome
        return self.outcome

    def log(self, guest: int, message: str) -> None:
        self.logs.append((guest, message))

    def cid_of(self, guest: int) -> Cid:
        return self.cids[guest]


@functools.cache
def compiled_puppet(pages: int, profile: Profile) -> CompiledModule:
    exports = "\n".join(f'(export "{each.name}" (func ${each.name}))' for each in HOST_CALLS)
    imports = "\n".join(
        f'(import "{each.module}" "{each.name}" '
        f"(func ${each.name} (param {' '.join(each.type.params)}) (result i32)))"
        for each in HOST_CALLS
    )
    text = f'(module {imports} (memory (export "memory") {pages} {pages}) {exports})'
    return compile_now(engine_for(profile), text_to_module(text))


@pytest.fixture(scope="session", autouse=True)
def compiled_puppets() -> Iterator[None]:
    """Lets go of what was compiled while wasmtime is still there to free it."""
    yield
    compiled_puppet.cache_clear()


@final
class World:
    """A store with a kernel, and guests that share it.

    Attributes:
        puppets: The guests; their memories have the given numbers of pages.
    """

    def __init__(
        self,
        *,
        pages: Sequence[int] = (2,),
        profile: Profile = "deterministic",
        fuel: int = FUEL,
        heap_bytes: int = HEAP_BYTES,
    ) -> None:
        engine = engine_for(profile)
        self.services = Shelf()
        self.store = Store(engine)
        if engine.metered:
            self.store.fuel = fuel
        parts = [kernel_part(engine, is_brief=False)]
        guests = [_add_guest(parts, engine, number, each) for number, each in enumerate(pages)]
        self.assembly = Assembly(engine, parts)
        self.assembly.build(self.store)
        memory = self.assembly.export(self.store, KERNEL, MEMORY)
        self.kernel = Kernel(self.store, memory.address, heap_bytes=heap_bytes)
        self.store.host = Syscalls(self.store, self.kernel, self.services, self.services)
        self.puppets = [
            Puppet(self, guest, each * PAGE) for guest, each in zip(guests, pages, strict=True)
        ]

    def enter(self) -> None:
        if not self.store.entered:
            arm(self.assembly, self.store)
            self.store.enter()

    def close(self) -> None:
        for puppet in self.puppets:
            puppet.memory.release()
        self.kernel.close()
        self.store.close()


def _add_guest(parts: list[Part], engine: Engine, number: int, pages: int) -> int:
    """Add the parts of a guest, and give its position."""
    stub = KERNEL
    if number > 0:
        stub = len(parts)
        parts.append(stub_part(engine))
    imports = tuple(stub_export(stub, each) for each in HOST_CALLS)
    guest = len(parts)
    parts.append(Part(compiled_puppet(pages, engine.profile), imports, _NAMES))
    memory = InstanceExport(guest, b"memory")
    parts.append(binding_part(engine, stub=stub, memory=memory, number=number))
    return guest


@final
class Puppet:
    """One guest.

    Attributes:
        world: What it lives in.
        memory: A view of its memory.
    """

    def __init__(self, world: World, instance: int, memory_bytes: int) -> None:
        self.world = world
        self._instance = instance
        memory = world.assembly.export(world.store, instance, b"memory")
        self.memory = world.store.memory_view(memory.address, memory_bytes)

    async def call(self, name: str, *numbers: int) -> int:
        """Make a host call and give the number that it returns."""
        self.world.enter()
        signed = [
            (number + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
            for number, bits in zip(numbers, _BITS[name], strict=True)
        ]
        world = self.world
        function = world.assembly.export(world.store, self._instance, name.encode())
        (returned,) = await call(world.store, function, _SHAPES[name], signed)
        return int(returned)

    def run(self, name: str, *numbers: int) -> int:
        """Make a host call where no loop runs."""
        return trio.run(self.call, name, *numbers)

    def write(self, address: int, data: bytes) -> int:
        """Put bytes into the memory, and give the address."""
        self.memory[address : address + len(data)] = data
        return address

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.memory[address : address + size])

    def u32(self, address: int) -> int:
        return int.from_bytes(self.read(address, 4), "little")

    def u64(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """Makes worlds, which are closed when the test is over."""
    worlds: list[World] = []

    def make_world(**options: object) -> World:
        worlds.append(World(**options))  # type: ignore[arg-type]  # they are those of `World`
        return worlds[-1]

    yield make_world
    for world in worlds:
        world.close()


@pytest.fixture
def puppet(make_world: Callable[..., World]) -> Puppet:
    """A guest in a world of its own."""
    return make_world().puppets[0]
