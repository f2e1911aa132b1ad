"""The blocks that guests hold fit their bounds, and are gone when the call is."""

import contextlib
import gc
import resource
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

import ipvm
from ipvm.engine.store import stores_by_context
from ipvm.errors import GuestError, LimitExceeded
from ipvm.host import ErrorNumber
from ipvm.host.kernel import HANDLES_MAX
from ipvm.ipld import RAW, Block, Cid
from ipvm.limits import BLOCK_BYTES_MAX
from ipvm.store import Memory
from ipvm.testing import Gated, Lying

Publish = Callable[..., Awaitable[Cid]]

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


async def test_a_block_over_four_mebibytes_cannot_be_opened(publish: Publish) -> None:
    """What was found is the content, and it is no block; every runner that has it says so."""
    data = bytes(BLOCK_BYTES_MAX + 1)
    escaped = "".join(f"\\{byte:02x}" for byte in bytes(Cid.of(data)))
    text = f"""(memory (export "memory") 1) (data (i32.const 64) "{escaped}")
      (func (export "f") (result i32) (call $block_open (i32.const 0) (i32.const 64)))"""
    async with ipvm.open(store=Memory(), sources=[Lying(data)]) as node:
        guest = await node.load(await publish(text, node=node))
        assert (await guest.f.receipt()).value == ErrorNumber.ILLEGAL_CID
