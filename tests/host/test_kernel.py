"""The blocks of an invocation belong to it: bounded, shared by its modules, and by nobody else."""

import contextlib
import gc
import resource
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

import ipvm
from ipvm.engine.store import stores_by_context
from ipvm.errors import GuestError, LimitExceeded
from ipvm.host import ErrorNumber, OpenBlock
from ipvm.host.kernel import HANDLES_MAX
from ipvm.ipld import RAW, Block, Cid
from ipvm.store import Memory
from ipvm.testing import Gated

if TYPE_CHECKING:
    from tests.host.conftest import Puppet, World

MakeWorld = Callable[..., "World"]
Publish = Callable[..., Awaitable[Cid]]

OUT_AT, DATA_AT, TO_AT = 0, 1024, 16384


async def test_a_handle_made_by_one_guest_is_good_in_every_other(make_world: MakeWorld) -> None:
    world = make_world()
    first, second = world.add(), world.add()
    first.write(DATA_AT, b"for the other")
    assert await first.call("block_create", OUT_AT, RAW, DATA_AT, 13) == 0
    handle = first.u32(OUT_AT)
    assert await second.call("block_read", OUT_AT, handle, 0, TO_AT, 13) == 0
    assert second.read(TO_AT, 13) == b"for the other"
    assert bytes(first.memory).count(b"for the other") == 1


async def test_each_guest_s_calls_work_on_its_own_memory(make_world: MakeWorld) -> None:
    world = make_world()
    guests = [world.add(pages=pages) for pages in (1, 3, 2)]
    for number, guest in enumerate(guests):
        assert await guest.call("self", OUT_AT, TO_AT, 100) == 0
        found = Cid.decode(guest.read(TO_AT, guest.u32(OUT_AT)))
        assert found == world.services.cids[number]
        end = len(guest.memory)
        assert await guest.call("fuel", end - 8) == 0
        assert await guest.call("fuel", end - 7) == ErrorNumber.ILLEGAL_ARGUMENT


async def test_worlds_do_not_know_each_other_s_blocks(make_world: MakeWorld) -> None:
    one, other = make_world().add(), make_world().add()
    assert await one.call("block_create", OUT_AT, RAW, DATA_AT, 5) == 0
    assert await other.call("block_stat", OUT_AT, 1) == ErrorNumber.INVALID_HANDLE
    assert await other.call("block_read", OUT_AT, 1, 0, TO_AT, 5) == ErrorNumber.INVALID_HANDLE
    assert one.world.kernel.block(1) is not None
    assert other.world.kernel.block(1) is None


async def test_nothing_of_the_kernel_shows_in_a_guest_s_memory(make_world: MakeWorld) -> None:
    puppet = make_world().add()
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
    puppet = make_world(heap_bytes=heap_bytes).add()
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
    puppet = make_world(heap_bytes=100).add()
    for size, number in ((101, ErrorNumber.LIMIT_EXCEEDED), (96, 0), (1, 3)):
        puppet.write(DATA_AT, bytes(puppet.world.services.add(bytes(size))))
        assert await puppet.call("block_open", OUT_AT, DATA_AT) == number
    with pytest.raises(LimitExceeded, match=r"memory is .*--memory"):
        puppet.world.kernel.place(OpenBlock(RAW, b"x"))


COUNTING = """
  (memory (export "memory") 1)
  (func $fill (export "fill") (param $size i32) (result i32) (local $count i32)
    (loop $again
      (if (i32.eqz (call $block_create
            (i32.const 0) (i64.const 0x55) (i32.const 64) (local.get $size)))
        (then
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (br $again))))
    (local.get $count))
  (func (export "last_error") (param $size i32) (result i32) (local $error i32)
    (loop $again
      (br_if $again (i32.eqz (local.tee $error
        (call $block_create (i32.const 0) (i64.const 0x55) (i32.const 64) (local.get $size))))))
    (local.get $error))
  (data (i32.const 1024) "\\01\\55\\00\\02ok")  ;; an identity CID
  (func $open (export "open") (result i32) (call $block_open (i32.const 0) (i32.const 1024)))
  (func (export "fill_and_open") (result i32) (drop (call $fill (i32.const 0))) (call $open))
"""


async def test_a_guest_holds_at_most_a_million_blocks(node: ipvm.Node, publish: Publish) -> None:
    guest = await node.load(await publish(COUNTING))
    assert await guest.fill(0) == HANDLES_MAX
    assert await guest.last_error(0) == ErrorNumber.LIMIT_EXCEEDED
    assert await guest.open() == 0
    assert await guest.fill_and_open() == ErrorNumber.LIMIT_EXCEEDED


async def test_the_blocks_that_a_guest_holds_fit_its_memory(
    node: ipvm.Node, publish: Publish
) -> None:
    cid = await publish(COUNTING)
    for memory, size, count in ((65_536, 1024, 64), (65_536, 1000, 65), (200_000, 50_000, 4)):
        assert await (await node.load(cid, memory=memory)).fill(size) == count


async def test_arguments_that_do_not_fit_the_memory_are_over_the_limit(
    node: ipvm.Node, publish: Publish
) -> None:
    text = '(func (export "f") (param i32) (result i32) (local.get 0))'
    guest = await node.load(await publish(text, exports={"f": "bytes -> bytes"}), memory=65_536)
    assert await guest.f(bytes(65_536)) == bytes(65_536)
    with pytest.raises(LimitExceeded, match="memory"):
        await guest.f(bytes(65_537))


@pytest.mark.parametrize("invented", [2, -1, 2**31 - 1, -(2**31)])
async def test_a_handle_that_a_guest_invents_is_no_result(
    node: ipvm.Node, publish: Publish, invented: int
) -> None:
    text = f'(func (export "f") (param i32) (result i32) (i32.const {invented}))'
    guest = await node.load(await publish(text, exports={"f": "bytes -> bytes"}))
    with pytest.raises(GuestError, match="of no block") as caught:
        await guest.f(b"one")
    assert caught.value.kind == "invalid-result"


READING_LATE = f"""
  (memory (export "memory") 1)
  (data (i32.const 64) "{{cid}}")
  (func (export "f") (param i32) (result i32)
    (drop (call $block_open (i32.const 0) (i32.const 64)))
    (drop (call $block_read (i32.const 0) (local.get 0) (i32.const 0) (i32.const 256) (i32.const 99)))
    (drop (call $block_create (i32.const 0) (i64.const {RAW}) (i32.const 256) (i32.const 4)))
    (i32.load (i32.const 0)))
"""


async def test_blocks_of_calls_at_the_same_time_stay_apart(
    node: ipvm.Node, publish: Publish, far: Memory, source: Gated
) -> None:
    """Each waits for the same block before it reads its argument."""
    block = Block.of(b"from far away")
    await far.put(block)
    escaped = "".join(f"\\{byte:02x}" for byte in bytes(block.cid))
    text = READING_LATE.replace("{cid}", escaped)
    guest = await node.load(await publish(text, exports={"f": "bytes -> bytes"}))
    results = []

    async def run(number: int) -> None:
        argument = number.to_bytes(4, "big")
        results.append((argument, await guest.f(argument)))

    source.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        for number in range(300):
            nursery.start_soon(run, number)
        await trio.testing.wait_all_tasks_blocked()
        source.gate.set()
    assert len(results) == 300
    assert all(argument == result for argument, result in results)


async def test_a_kernel_that_was_closed_shows_nothing_any_more(make_world: MakeWorld) -> None:
    world = make_world()
    world.add()
    world.kernel.place(OpenBlock(RAW, b"block"))
    world.kernel.close()
    with pytest.raises(ValueError, match="released"):
        world.kernel.block(1)


ENDINGS = """
  (memory (export "memory") 1) (data (i32.const 64) "\\01\\55\\12\\20")
  (func (export "return") (param i32) (result i32) (local.get 0))
  (func (export "make") (param i32) (result i32)
    (drop (call $block_create (i32.const 0) (i64.const 0x55) (i32.const 0) (i32.const 9)))
    (i32.load (i32.const 0)))
  (func (export "wait") (param i32) (result i32) (call $block_open (i32.const 0) (i32.const 64)))
  (func (export "trap") (param i32) (result i32) unreachable)
  (func (export "abort") (param i32) (result i32)
    (call $abort (i32.const 1) (i32.const 0) (i32.const 9)))
  (func (export "invent") (param i32) (result i32) (i32.const 77))
"""


async def test_thousands_of_calls_leave_nothing_behind(node: ipvm.Node, publish: Publish) -> None:
    names = ("return", "make", "wait", "trap", "abort", "invent")
    exports = dict.fromkeys(names, "bytes -> bytes")
    guest = await node.load(await publish(ENDINGS, exports=exports))
    functions = [guest[name] for name in names]

    def held() -> tuple[int, int, int]:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        files = len(list(Path("/proc/self/fd").iterdir()))
        return pages * resource.getpagesize(), files, len(stores_by_context())

    async def measure(rounds: int) -> tuple[int, int, int]:
        for _ in range(rounds):
            for function in functions:
                with contextlib.suppress(GuestError):
                    await function(b"argument")
        return held()

    memory, files, stores = await measure(50)
    later_memory, later_files, later_stores = await measure(1000)
    assert later_stores == stores
    assert later_files <= files + 5
    assert later_memory - memory < 20 * 1024 * 1024
