"""A guest that Python moves: each host call is an export of it, and its memory is a view.

So a test makes any host call with any numbers, in a store that lives on from call to call, and sees
every byte that changes. What the runtime does for guests is done by a shelf of blocks; the same
calls through the whole runtime are tried in the folder `guests`.
"""

import ctypes
import functools
from collections.abc import Callable, Coroutine, Iterator
from typing import Final, TypeVar, final

import pytest
import trio

from ipvm.engine import (
    EXTERN_BYTES,
    CallShape,
    CompiledModule,
    Instance,
    Store,
    call,
    compile_now,
    engine_for,
    host_port_for,
    instantiate,
    text_to_module,
)
from ipvm.errors import IpvmError
from ipvm.host import HOST_CALLS, CallOutcome, Kernel, OpenBlock, Syscalls, companions_for
from ipvm.ipld import Block, BlockNotFound, Cid
from ipvm.model import Profile

PAGE = 65_536
FUEL = 10**15
HEAP_BYTES = 64 * 1024 * 1024

_T = TypeVar("_T")

_NAMES: Final = [(each.module.encode(), each.name.encode()) for each in HOST_CALLS]
_SHAPES: Final = {each.name: CallShape(each.type.params, each.type.results) for each in HOST_CALLS}
_BITS: Final = {each.name: [int(kind[1:]) for kind in each.type.params] for each in HOST_CALLS}


@final
class Shelf:
    """The services of an invocation, over a handful of blocks.

    Attributes:
        blocks: What can be opened; an exception is raised.
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
        self.kept: list[Block] = []
        self.calls: list[tuple[Cid, str, list[OpenBlock | None], int | None]] = []
        self.outcome: CallOutcome | IpvmError = CallOutcome(exit=0)
        self.logs: list[tuple[int, str]] = []
        self.cids = [Cid.of(b"guest %d" % number) for number in range(4)]

    def add(self, data: bytes, *, codec: int = 0x55, hash_code: int = 0x12) -> Cid:
        block = Block.of(data, codec=codec, hash_code=hash_code)
        self.blocks[block.cid] = block
        return block.cid

    async def open(self, cid: Cid) -> Block:
        await trio.lowlevel.checkpoint()
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


def at_once(running: Coroutine[object, object, _T]) -> _T:
    """Run a coroutine that does not wait, with or without a loop."""
    try:
        running.send(None)
    except StopIteration as end:
        result: _T = end.value
        return result
    raise AssertionError("it waits")


@final
class World:
    """A store with a kernel, for guests that share it."""

    def __init__(
        self,
        *,
        profile: Profile = "deterministic",
        fuel: int = FUEL,
        heap_bytes: int = HEAP_BYTES,
    ) -> None:
        self.services = Shelf()
        self.profile: Profile = profile
        self.store = Store(engine_for(profile))
        if self.store.engine.metered:
            self.store.fuel = fuel
        self.kernel = Kernel(
            self.store, companions_for(profile), host_port_for(profile), heap_bytes=heap_bytes
        )
        self.store.host = Syscalls(self.store, self.kernel, self.services)
        self.puppets: list[Puppet] = []

    def add(self, pages: int = 2) -> "Puppet":
        """Make a guest, before any of them makes a call."""
        self.puppets.append(at_once(self._add(pages)))
        return self.puppets[-1]

    def enter(self) -> None:
        if not self.store.entered:
            self.kernel.arm()
            self.store.enter()

    def close(self) -> None:
        for puppet in self.puppets:
            puppet.memory.release()
        self.kernel.close()
        self.store.close()

    async def _add(self, pages: int) -> "Puppet":
        binding = await self.kernel.stub(len(self.puppets))
        imports = ctypes.create_string_buffer(len(HOST_CALLS) * EXTERN_BYTES)
        for slot, each in enumerate(HOST_CALLS):
            binding.export_into(each, ctypes.addressof(imports) + slot * EXTERN_BYTES)
        module = compiled_puppet(pages, self.profile)
        instance = await instantiate(self.store, module, ctypes.addressof(imports), _NAMES)
        memory = instance.export(b"memory")
        await binding.bind(memory)
        view = self.store.memory_view(memory.address, pages * PAGE)
        return Puppet(self, instance, view)


@final
class Puppet:
    """One guest.

    Attributes:
        world: What it lives in.
        memory: A view of its memory.
    """

    def __init__(self, world: World, instance: Instance, memory: memoryview) -> None:
        self.world = world
        self.memory = memory
        self._instance = instance

    async def call(self, name: str, *numbers: int) -> int:
        """Make a host call and give the number that it returns."""
        self.world.enter()
        signed = [
            (number + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
            for number, bits in zip(numbers, _BITS[name], strict=True)
        ]
        function = self._instance.export(name.encode())
        (returned,) = await call(self.world.store, function, _SHAPES[name], signed)
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
    return make_world().add()
