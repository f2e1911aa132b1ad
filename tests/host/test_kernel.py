"""The open blocks of an invocation are bounded, shared by its modules, and seen by nobody else."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ipvm.errors import LimitExceeded
from ipvm.host import ErrorNumber, OpenBlock
from ipvm.ipld import RAW, Cid

if TYPE_CHECKING:
    from tests.host.conftest import Puppet, World

MakeWorld = Callable[..., "World"]

OUT_AT, DATA_AT, TO_AT = 0, 1024, 16384


async def test_a_handle_made_by_one_guest_is_good_in_every_other(make_world: MakeWorld) -> None:
    world = make_world(pages=[2, 2])
    first, second = world.puppets
    first.write(DATA_AT, b"for the other")
    assert await first.call("block_create", OUT_AT, RAW, DATA_AT, 13) == 0
    handle = first.u32(OUT_AT)
    assert await second.call("block_read", OUT_AT, handle, 0, TO_AT, 13) == 0
    assert second.read(TO_AT, 13) == b"for the other"
    assert bytes(first.memory).count(b"for the other") == 1


async def test_each_guest_s_calls_work_on_its_own_memory(make_world: MakeWorld) -> None:
    world = make_world(pages=[1, 3, 2])
    guests = world.puppets
    for number, guest in enumerate(guests):
        assert await guest.call("self", OUT_AT, TO_AT, 100) == 0
        found = Cid.decode(guest.read(TO_AT, guest.u32(OUT_AT)))
        assert found == world.services.cids[number]
        end = len(guest.memory)
        assert await guest.call("fuel", end - 8) == 0
        assert await guest.call("fuel", end - 7) == ErrorNumber.ILLEGAL_ARGUMENT


async def test_worlds_do_not_know_each_other_s_blocks(make_world: MakeWorld) -> None:
    one, other = make_world().puppets[0], make_world().puppets[0]
    assert await one.call("block_create", OUT_AT, RAW, DATA_AT, 5) == 0
    assert await other.call("block_stat", OUT_AT, 1) == ErrorNumber.INVALID_HANDLE
    assert await other.call("block_read", OUT_AT, 1, 0, TO_AT, 5) == ErrorNumber.INVALID_HANDLE
    assert one.world.kernel.block(1) is not None
    assert other.world.kernel.block(1) is None


async def test_nothing_of_the_kernel_shows_in_a_guest_s_memory(make_world: MakeWorld) -> None:
    puppet = make_world().puppets[0]
    secret = b"a block that nobody has read yet"
    puppet.world.kernel.place(OpenBlock(RAW, secret))
    assert await puppet.call("block_stat", OUT_AT, 1) == 0
    assert secret not in bytes(puppet.memory)


async def test_a_block_that_was_made_does_not_change_with_the_memory_it_was_made_of(
    puppet: "Puppet",
) -> None:
    puppet.write(DATA_AT, b"then")
    assert await puppet.call("block_create", OUT_AT, RAW, DATA_AT, 4) == 0
    puppet.write(DATA_AT, b"now!")
    assert await puppet.call("block_read", OUT_AT, 1, 0, TO_AT, 4) == 0
    assert puppet.read(TO_AT, 4) == b"then"


@pytest.mark.parametrize("heap_bytes", [1, 7, 8, 9, 100, 65_536])
async def test_blocks_fill_the_heap_to_its_end_and_no_further(
    make_world: MakeWorld, heap_bytes: int
) -> None:
    puppet = make_world(heap_bytes=heap_bytes).puppets[0]
    room = heap_bytes // 8 * 8
    returned = await puppet.call("block_create", OUT_AT, RAW, DATA_AT, room + 1)
    assert returned == ErrorNumber.LIMIT_EXCEEDED
    for _ in range(room // 8):
        size = 8 if puppet.u32(OUT_AT) % 2 else 5
        assert await puppet.call("block_create", OUT_AT, RAW, DATA_AT, size) == 0
    returned = await puppet.call("block_create", OUT_AT, RAW, DATA_AT, 1)
    assert returned == ErrorNumber.LIMIT_EXCEEDED
    assert await puppet.call("block_create", OUT_AT, RAW, DATA_AT, 0) == 0


async def test_a_block_from_outside_that_has_no_room_is_over_the_limit(
    make_world: MakeWorld,
) -> None:
    puppet = make_world(heap_bytes=100).puppets[0]
    for size, number in ((101, ErrorNumber.LIMIT_EXCEEDED), (96, 0), (1, 3)):
        puppet.write(DATA_AT, bytes(puppet.world.services.add(bytes(size))))
        assert await puppet.call("block_open", OUT_AT, DATA_AT) == number
    with pytest.raises(LimitExceeded, match=r"memory is .*--memory"):
        puppet.world.kernel.place(OpenBlock(RAW, b"x"))


async def test_a_kernel_that_was_closed_shows_nothing_any_more(make_world: MakeWorld) -> None:
    world = make_world()
    world.kernel.place(OpenBlock(RAW, b"block"))
    world.kernel.close()
    with pytest.raises(ValueError, match="released"):
        world.kernel.block(1)
