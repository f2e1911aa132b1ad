"""Run one call in each way in which it may be run, and tell all that can be seen of it.

A call may run at once, on memory of its own or on that of a pool; it may be ended where it would
wait and be run again; and it may run on a fiber. Which it is depends on what was called before.

What is called is the player (player.wat), with a script: the steps are a name, numbers, long numbers
and how often. Bytes among the numbers stand after the script, and the player gets their address.
"""

import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias

import pytest

import ipvm
from ipvm.ipld import Block, Cid
from ipvm.limits import BLOCK_BYTES_MAX, FUEL_DEFAULT, MEMORY_DEFAULT
from ipvm.model import Profile, Signature
from ipvm.runtime import entry as entries
from ipvm.store import Memory
from ipvm.testing import Library

WAYS: Final = ("brief", "pooled", "later", "plain", "plain pooled", "plain later")
"""Those called plain give no receipt. Later is after a call that showed how the function is."""

Step: TypeAlias = tuple[str, tuple[int | bytes, ...], tuple[int, ...], int]

STEPS: Final = (
    *("open", "create", "read", "stat", "link", "call", "log", "abort", "fuel", "self", "hash"),
    *("grow", "spin", "fail", "dive", "fill"),
)
_RECORD: Final = struct.Struct("<II6I2Q16x")
_SCRIPT: Final = 4096
"""Where the script stands in the guest's memory; what it works on follows."""


def script_of(steps: Sequence[Step]) -> bytes:
    """Write a script."""
    end = _SCRIPT + 64 * (len(steps) + 1)
    records = [struct.pack("<I60x", end)]
    data = bytearray()
    places: dict[bytes, int] = {}

    def address(number: int | bytes) -> int:
        nonlocal data
        if isinstance(number, int):
            return number & 0xFFFFFFFF
        if number not in places:
            places[number] = end + len(data)
            data += number
        return places[number]

    for name, numbers, longs, times in steps:
        words = [*map(address, numbers), *[0] * 6][:6]
        records.append(_RECORD.pack(STEPS.index(name), times, *words, *[*longs, 0, 0][:2]))
    return b"".join(records) + bytes(data)


@dataclass(kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call, and what there is to call."""

    library: Library
    root: Cid
    name: str
    arguments: tuple[object, ...]
    fuel: int
    memory: int
    profile: Profile
    others: tuple[Cid, ...]
    """Programs that it calls, which are to run in the same way."""


@contextmanager
def _on_fibers(way: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if "fiber" in way:  # as where the stack of the caller is small
            patch.setattr(entries, "is_stack_ample", lambda: False)
        yield


async def see(call: Call, way: str) -> Seen:
    """Make a call in a way, in a node of its own."""
    logs: list[tuple[Cid, str]] = []
    store = await call.library.store()
    with _on_fibers(way):
        async with ipvm.open(
            store=store, on_log=lambda cid, text: logs.append((cid, text))
        ) as node:
            for root in (call.root, *call.others):
                program = await node.load(root, profile=call.profile)
                if "pooled" in way:
                    program._loaded.program.load_into_pool()
            program = await node.load(
                call.root, fuel=call.fuel, memory=call.memory, profile=call.profile
            )
            if "later" in way:
                await _see(program[call.name], call, plain=True)
                for key in await _made(store, call.library):
                    await store.delete(Cid.decode(b"\x01\x55" + key))
                logs.clear()
            seen = await _see(program[call.name], call, plain="plain" in way)
            seen.made = frozenset(await _made(store, call.library))
    seen.logs = logs
    return seen


async def _made(store: Memory, library: Library) -> list[bytes]:
    given = {cid.multihash for cid in library.blocks}
    return [key for key in await store.multihashes(count=10**6) if key not in given]


async def _see(function: ipvm.Function, call: Call, *, plain: bool) -> Seen:
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


async def assert_alike(call: Call) -> Seen:
    """Make a call in all ways, assert that they are alike, and give what was seen."""
    reference = await see(call, "fiber")
    plain = await see(call, "plain fiber")
    for way in WAYS:
        seen = await see(call, way)
        assert seen == (plain if "plain" in way else reference), f"{way}, {call.profile}"
    assert reference.logs == plain.logs
    if reference.condition is None:
        assert (reference.value, reference.error) == (plain.value, plain.error)
    return reference


_OTHERS: Final = {
    "says": """(module (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 0) "called")
      (func (export "say") (drop (call $log (i32.const 0) (i32.const 6)))))""",
    "traps": """(module (func (export "say") (unreachable)))""",
    "spins": """(module (func (export "say") (loop $again (br $again))))""",
    "recurs": """(module (func $say (export "say") (call $say) (call $say)))""",
}


@pytest.fixture(scope="session")
def scripted() -> Callable[[Sequence[Step]], bytes]:
    """Write a script."""
    return script_of


@pytest.fixture(scope="session")
def library() -> Library:
    """Give what there is to call and to open; what is made of it stays."""
    return Library()


@pytest.fixture(scope="session")
def player(library: Library) -> Cid:
    """Give the guest that plays scripts."""
    text = Path(__file__).with_name("player.wat").read_text("ascii")
    exports = {
        "play": Signature(params=("bytes",), results=("i64",)),
        "give": Signature(params=("bytes",), results=("bytes",)),
    }
    return library.manifest(text, exports=exports)


@pytest.fixture(scope="session")
def cids(library: Library, player: Cid) -> Mapping[str, Cid]:
    """Give what scripts are about."""
    large = {"large": bytes(300_000), "largest": bytes(BLOCK_BYTES_MAX)}
    small = {f"small {number}": b"block %d" % number for number in range(10)}
    return {
        "player": player,
        "absent": Cid.of(b"nobody has it"),
        **{name: library.keep(Block.of(data)) for name, data in {**large, **small}.items()},
        **{name: library.code(text) for name, text in _OTHERS.items()},
    }


@pytest.fixture(scope="session")
def play(library: Library, player: Cid, cids: Mapping[str, Cid]) -> Callable[..., Awaitable[Seen]]:
    """Play a script in all ways and in both profiles; give what is seen in the deterministic one."""

    async def play(
        *steps: Step, name: str = "play", fuel: int = FUEL_DEFAULT, memory: int = MEMORY_DEFAULT
    ) -> Seen:
        call = Call(
            library=library,
            root=player,
            name=name,
            arguments=(script_of(steps),),
            fuel=fuel,
            memory=memory,
            profile="deterministic",
            others=tuple(cids[other] for other in _OTHERS),
        )
        if not any(bytes(cids["spins"]) in numbers for _, numbers, _, _ in steps):
            await assert_alike(replace(call, profile="fast"))
        return await assert_alike(call)

    return play
