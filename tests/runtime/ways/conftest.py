"""Run one call in each way in which it may be run, and tell all that can be seen of it.

A call may run at once, on memory of its own or on that of a pool; it may be ended where it would
wait and be run again; and it may run on a fiber. Which it is depends on what was called before.
"""

import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import pytest

import ipvm
from ipvm.ipld import Block, Cid
from ipvm.limits import BLOCK_BYTES_MAX, FUEL_DEFAULT, MEMORY_DEFAULT
from ipvm.model import Signature
from ipvm.runtime import entry as entries
from ipvm.store import Memory
from ipvm.testing import Library

WAYS: Final = ("brief", "pooled", "later", "plain", "plain pooled", "plain later")
"""Those called plain give no receipt."""

STEPS: Final = (
    *("open", "create", "read", "stat", "link", "call", "log", "abort", "fuel", "self", "hash"),
    *("grow", "spin", "fail", "dive", "fill"),
)
_RECORD: Final = struct.Struct("<II6I2Q16x")
_SCRIPT: Final = 4096
"""Where the script stands in the guest's memory; what it works on follows."""


@dataclass(frozen=True)
class Step:
    """One step of a script; `more` are what it works on, of which it is given the addresses."""

    name: str
    numbers: tuple[int | bytes, ...] = ()
    longs: tuple[int, ...] = ()
    times: int = 1


def script_of(steps: Sequence[Step]) -> bytes:
    """Write a script. Bytes among the numbers of a step stand after it, and their address here."""
    end = _SCRIPT + 64 * (len(steps) + 1)
    records = [struct.pack("<I60x", end)]
    data = bytearray()
    places: dict[bytes, int] = {}
    for step in steps:
        numbers = []
        for number in step.numbers:
            if isinstance(number, bytes):
                if number not in places:
                    places[number] = end + len(data)
                    data += number
                numbers.append(places[number])
            else:
                numbers.append(number & 0xFFFFFFFF)
        numbers += [0] * (6 - len(numbers))
        longs = [*step.longs, 0, 0][:2]
        records.append(_RECORD.pack(STEPS.index(step.name), step.times, *numbers, *longs))
    return b"".join(records) + bytes(data)


@dataclass
class Seen:
    """What can be seen of a call, by its caller and in the store."""

    value: object = None
    error: tuple[object, ...] | None = None
    condition: tuple[str, str] | None = None
    fuel: int | None = None
    reads: tuple[Cid, ...] | None = None
    receipt: Cid | None = None
    made: frozenset[bytes] = frozenset()
    logs: list[tuple[Cid, str]] = field(default_factory=list)


@dataclass(kw_only=True)
class Called:
    """A call, and what there is to call."""

    library: Library
    root: Cid
    name: str
    arguments: tuple[object, ...] = ()
    fuel: int = FUEL_DEFAULT
    memory: int = MEMORY_DEFAULT
    others: tuple[Cid, ...] = ()
    """Programs that it calls, which are to run in the same way."""


SeeAll: TypeAlias = Callable[[Called], Awaitable[Seen]]


@contextmanager
def _on_fibers(way: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if "fiber" in way:  # as where the stack of the caller is small
            patch.setattr(entries, "is_stack_ample", lambda: False)
        yield


async def see(call: Called, way: str) -> Seen:
    """Make a call in a way, in a node of its own."""
    logs: list[tuple[Cid, str]] = []
    store = await call.library.store()
    with _on_fibers(way):
        async with ipvm.open(store=store, on_log=lambda cid, text: logs.append((cid, text))) as node:
            for other in (call.root, *call.others):
                program = await node.load(other)
                if "pooled" in way:
                    program._loaded.program.load_into_pool()  # noqa: SLF001 - as calls would, in time
            program = await node.load(call.root, fuel=call.fuel, memory=call.memory)
            function = program[call.name]
            if "later" in way:
                await _see(function, call, plain=True)
                await _forget_made(store, call.library)
                logs.clear()
            seen = await _see(function, call, plain="plain" in way)
            seen.made = frozenset(await _made(store, call.library))
    seen.logs = logs
    return seen


async def _made(store: Memory, library: Library) -> list[bytes]:
    given = {cid.multihash for cid in library.blocks}
    return [key for key in await store.multihashes(count=10**6) if key not in given]


async def _forget_made(store: Memory, library: Library) -> None:
    for key in await _made(store, library):
        await store.delete(Cid.decode(b"\x01\x55" + key))


async def _see(function: ipvm.Function, call: Called, *, plain: bool) -> Seen:
    seen = Seen()
    try:
        if plain:
            measured = await function.measured(*call.arguments)
            seen.value, seen.fuel = measured.value, measured.fuel
        else:
            receipt = await function.receipt(*call.arguments)
            seen.fuel, seen.reads, seen.receipt = receipt.fuel, receipt.reads, receipt.cid
            seen.value = receipt.value
    except ipvm.GuestError as error:
        seen.error = (error.kind, error.code, error.detail, error.frames, error.fuel_used)
    except ipvm.IpvmError as condition:
        seen.condition = (type(condition).__name__, str(condition))
    return seen


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What scripts are about: the player, blocks, and programs that end in every way."""

    library: Library
    player: Cid
    small: tuple[Cid, ...]
    large: Cid
    largest: Cid
    absent: Cid
    others: tuple[Cid, ...]

    def called(
        self,
        *steps: Step,
        name: str = "play",
        fuel: int = FUEL_DEFAULT,
        memory: int = MEMORY_DEFAULT,
    ) -> Called:
        """Give the call that plays a script."""
        return Called(
            library=self.library,
            root=self.player,
            name=name,
            arguments=(script_of(steps),),
            fuel=fuel,
            memory=memory,
            others=self.others,
        )


_OTHERS: Final = (
    """(module (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 0) "called")
      (func (export "say") (drop (call $log (i32.const 0) (i32.const 6)))))""",
    """(module (func (export "say") (unreachable)))""",
    """(module (func (export "say") (loop $again (br $again))))""",
)


@pytest.fixture(scope="session")
def stage() -> Stage:
    """Give what scripts are about."""
    library = Library()
    text = Path(__file__).with_name("player.wat").read_text("ascii")
    exports = {
        "play": Signature(params=("bytes",), results=("i64",)),
        "give": Signature(params=("bytes",), results=("bytes",)),
    }
    return Stage(
        library=library,
        player=library.manifest(text, exports=exports),
        small=tuple(library.keep(Block.of(b"block %d" % number)) for number in range(100)),
        large=library.keep(Block.of(bytes(300_000))),
        largest=library.keep(Block.of(bytes(BLOCK_BYTES_MAX))),
        absent=Cid.of(b"nobody has it"),
        others=tuple(library.code(other) for other in _OTHERS),
    )


@pytest.fixture(scope="session")
def step() -> type[Step]:
    """Give what a script is made of."""
    return Step


@pytest.fixture(scope="session")
def see_all() -> SeeAll:
    """Make a call in all ways, assert that they are alike, and give what was seen."""

    async def see_all(call: Called) -> Seen:
        reference = await see(call, "fiber")
        plain = await see(call, "plain fiber")
        for way in WAYS:
            assert await see(call, way) == (plain if "plain" in way else reference), way
        assert_plain_is_alike(reference, plain)
        return reference

    return see_all


def assert_plain_is_alike(receipt: Seen, plain: Seen) -> None:
    """Compare a call that gives a receipt with one that does not."""
    assert receipt.logs == plain.logs
    if receipt.condition is None:
        assert (receipt.value, receipt.error) == (plain.value, plain.error)
