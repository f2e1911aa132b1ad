"""Each host call costs the fuel that its table says, above the instructions of its binding."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ipvm.engine import OUT_OF_FUEL, Trap
from ipvm.host import HOST_CALLS, CallOutcome, OpenBlock
from ipvm.host.file_nodes import NODE_FUEL, STRUCTURE_BYTE_FUEL
from ipvm.ipld import DAG_CBOR, DAG_JSON, RAW, Cid
from ipvm.ipld.multihash import SHA2_256
from ipvm.limits import CALL_FUEL_KEPT

if TYPE_CHECKING:
    from tests.host.conftest import Puppet, World

MakeWorld = Callable[..., "World"]

INSTRUCTIONS_MAX = 350
"""What a binding uses besides copying, which costs one unit for a byte."""

FOLDER_BYTES = 54
CALLS = {call.name: call for call in HOST_CALLS}
SIZE = 10_000
FUEL = 10**15
OUT_AT, CID_AT, FOLDER_AT, DATA_AT = 0, 256, 512, 4096
CID = Cid.of(bytes(SIZE))

CASES: dict[str, tuple[tuple[int, ...], int, int]] = {
    "block_open": ((OUT_AT, CID_AT), SIZE, 160),
    "block_create": ((OUT_AT, DAG_JSON, DATA_AT, SIZE), SIZE, SIZE),
    "block_read": ((OUT_AT, 1, 0, DATA_AT, SIZE), 0, SIZE),
    "block_stat": ((OUT_AT, 1), 0, 0),
    "block_link": ((OUT_AT, 1, SHA2_256, 32, CID_AT, 100), SIZE, 36),
    "call": ((OUT_AT, CID_AT, DATA_AT, 5, DATA_AT, 0, 0), 0, 160 + 5 + 32),
    "log": ((DATA_AT, SIZE), SIZE, SIZE),
    "fuel": ((OUT_AT,), 0, 0),
    "self": ((OUT_AT, CID_AT, 100), 0, 36),
    "hash": ((OUT_AT, SHA2_256, DATA_AT, SIZE, CID_AT, 64), SIZE, SIZE + 32),
    "file_stat": ((OUT_AT, CID_AT, 0, 0, DATA_AT, 160), 0, 160 + 36 + 16 + NODE_FUEL + SIZE),
    "file_read": (
        (OUT_AT, CID_AT, 0, 0, 0, DATA_AT, SIZE), SIZE, 160 + SIZE + NODE_FUEL + SIZE,
    ),
    "dir_entry": (
        (OUT_AT, FOLDER_AT, 0, 0, 0, DATA_AT, 9, 0, 0), 0,
        160 + 4 + 16 + NODE_FUEL + STRUCTURE_BYTE_FUEL * FOLDER_BYTES,
    ),
}  # fmt: skip
"""Host call: its arguments, the bytes that are charged for, and the bytes that are copied, with what
the one node costs that is looked at."""


@pytest.fixture
def puppet(make_world: MakeWorld) -> "Puppet":
    puppet = make_world().puppets[0]
    puppet.world.services.add(bytes(SIZE))
    puppet.world.kernel.place(OpenBlock(RAW, bytes(SIZE)))
    puppet.write(CID_AT, bytes(CID))
    puppet.write(FOLDER_AT, bytes(puppet.world.services.add_folder({"name": CID})))
    puppet.write(DATA_AT, b'"' + b"x" * (SIZE - 2) + b'"')
    return puppet


async def fuel_used(puppet: "Puppet", name: str, *numbers: int) -> int:
    before = puppet.world.store.fuel
    assert await puppet.call(name, *numbers) == 0
    return before - puppet.world.store.fuel


@pytest.mark.parametrize("name", CASES)
async def test_a_host_call_costs_what_the_table_says(puppet: "Puppet", name: str) -> None:
    numbers, charged, copied = CASES[name]
    call = CALLS[name]
    documented = call.fuel + call.fuel_per_byte * charged
    used = await fuel_used(puppet, name, *numbers)
    assert documented + copied <= used <= documented + copied + INSTRUCTIONS_MAX


def test_every_host_call_is_tried_but_abort_which_is_free() -> None:
    assert CALLS.keys() - CASES.keys() == {"abort"}
    assert (CALLS["abort"].fuel, CALLS["abort"].fuel_per_byte) == (0, 0)


async def test_a_raw_block_costs_its_copying_only(puppet: "Puppet") -> None:
    used = await fuel_used(puppet, "block_create", OUT_AT, RAW, DATA_AT, SIZE)
    assert SIZE <= used <= SIZE + INSTRUCTIONS_MAX


async def test_what_the_callee_used_is_charged_to_the_caller(puppet: "Puppet") -> None:
    puppet.world.services.outcome = CallOutcome(exit=0, fuel_used=1_234_567)
    numbers, _, copied = CASES["call"]
    used = await fuel_used(puppet, "call", *numbers) - 1_234_567 - copied
    assert CALLS["call"].fuel <= used <= CALLS["call"].fuel + INSTRUCTIONS_MAX


@pytest.mark.parametrize("asked", [0, 1, 5_000, 2**63, 2**64 - 1])
async def test_a_callee_gets_what_was_asked_for_and_leaves_a_part_of_the_rest(
    puppet: "Puppet", asked: int
) -> None:
    *numbers, _ = CASES["call"][0]
    await puppet.call("call", *numbers, asked)
    given = puppet.world.services.calls[-1][3]
    assert given is not None
    if 0 < asked < FUEL:
        assert given == asked
    else:
        left = puppet.world.store.fuel  # less what its binding used after the call
        assert 0 <= given - (left - left // CALL_FUEL_KEPT) < INSTRUCTIONS_MAX


@pytest.mark.parametrize("name", [name for name in CASES if CALLS[name].fuel])
async def test_a_host_call_that_costs_more_than_is_left_ends_the_guest(
    make_world: MakeWorld, name: str
) -> None:
    call = CALLS[name]
    puppet = make_world(fuel=INSTRUCTIONS_MAX + call.fuel // 2).puppets[0]
    puppet.world.services.add(b"short")
    puppet.world.kernel.place(OpenBlock(RAW, b"short"))
    puppet.write(CID_AT, bytes(Cid.of(b"short")))
    puppet.write(FOLDER_AT, bytes(puppet.world.services.add_folder({"name": CID})))
    puppet.write(DATA_AT, b"\xf6")
    replaced = {SIZE: 1, DAG_JSON: DAG_CBOR}
    with pytest.raises(Trap) as caught:
        await puppet.call(name, *(replaced.get(each, each) for each in CASES[name][0]))
    assert caught.value.code == OUT_OF_FUEL
    assert puppet.world.store.fuel == 0


async def test_the_fuel_that_a_guest_is_told_is_what_is_left(puppet: "Puppet") -> None:
    assert await puppet.call("fuel", OUT_AT) == 0
    assert 0 <= puppet.u64(OUT_AT) - puppet.world.store.fuel <= INSTRUCTIONS_MAX


async def test_where_fuel_is_not_counted_a_guest_is_told_so_and_charged_nothing(
    make_world: MakeWorld,
) -> None:
    puppet = make_world(profile="fast").puppets[0]
    puppet.world.services.add(bytes(SIZE))
    puppet.world.kernel.place(OpenBlock(RAW, bytes(SIZE)))
    puppet.write(CID_AT, bytes(CID))
    puppet.write(FOLDER_AT, bytes(puppet.world.services.add_folder({"name": CID})))
    puppet.write(DATA_AT, b'"' + b"x" * (SIZE - 2) + b'"')
    for name, (numbers, _, _) in CASES.items():
        assert await puppet.call(name, *numbers) == 0
        puppet.write(CID_AT, bytes(CID))
    assert await puppet.call("fuel", OUT_AT) == 0
    assert puppet.u64(OUT_AT) == 2**64 - 1
    assert puppet.world.services.calls[-1][3] is None
