"""A callee has a store of its own, a slice of the fuel and an end of its own, but not of its stack."""

import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import trio

import ipvm
from ipvm.errors import LimitExceeded
from ipvm.host import EXIT_NUMBERS, ErrorNumber
from ipvm.ipld import DAG_CBOR, Block, Cid
from ipvm.limits import CALL_DEPTH_MAX
from ipvm.store import Memory
from ipvm.testing import Gated

if TYPE_CHECKING:
    from tests.host.guests.conftest import Reply

Publish = Callable[..., Awaitable[Cid]]
Call = Callable[..., Awaitable["Reply"]]

SLICE = 3_000_000
LITTLE = 500
ENDINGS = [
    ("trap", "unreachable", 0, SLICE),
    ("trap", "(drop (i32.load (i32.const -1)))", 0, SLICE),
    ("abort", "(drop (call $abort (i32.const 77) (i32.const 0) (i32.const 0)))", 77, LITTLE),
    ("abort", "(drop (call $abort (i32.const -1) (i32.const 0) (i32.const 0)))", 2**32 - 1, LITTLE),
    ("out-of-fuel", "(loop $again (br $again))", 0, SLICE),
    (
        "out-of-fuel",
        "(loop $again (drop (call $log (i32.const 0) (i32.const 0))) (br $again))",
        0,
        SLICE,
    ),
    ("invalid-result", "(return (i32.const 9))", 0, LITTLE),
]


@pytest.mark.parametrize(("kind", "body", "code", "fuel_max"), ENDINGS)
async def test_a_callee_that_ends_badly_is_an_answer(
    call: Call, publish: Publish, kind: str, body: str, code: int, fuel_max: int
) -> None:
    """After a trap nobody knows what it has used, so the whole slice is charged."""
    callee = await publish(
        f"""(memory (export "memory") 1)
            (func (export "f") (result i32) {body} (i32.const 0))""",
        exports={"f": "-> bytes"},
    )
    reply = await call(callee, "f", fuel=SLICE)
    assert (reply.error, reply.exit, reply.code) == (0, EXIT_NUMBERS[kind], code)
    assert (reply.id, reply.size) == (0, 0)
    assert 0 < reply.fuel_used <= fuel_max
    assert (fuel_max == LITTLE) == (reply.fuel_used < SLICE)


@pytest.mark.parametrize("asked", [0, 5_000_000, -1])
async def test_a_caller_can_go_on_when_a_callee_has_used_up_its_fuel(
    caller: ipvm.Program, publish: Publish, asked: int
) -> None:
    callee = await publish('(func (export "f") (loop $again (br $again)))')
    receipt = await caller.using(fuel=5_000_000).f.receipt(bytes(callee), b"f", 0, b"", b"", asked)
    assert isinstance(receipt.value, bytes)
    error, exit_number = struct.unpack_from("<II", receipt.value)
    assert (error, exit_number) == (0, EXIT_NUMBERS["out-of-fuel"])
    assert receipt.fuel is not None
    assert 4_900_000 < receipt.fuel < 5_000_000


async def test_a_callee_s_fuel_is_charged_to_the_caller(
    caller: ipvm.Program, publish: Publish
) -> None:
    text = """(func (export "f") (local $n i32) (local.set $n (i32.const {}))
      (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))"""
    used = []
    for steps in (1, 1_000_001):
        callee = await publish(text.format(steps))
        receipt = await caller.f.receipt(bytes(callee), b"f", 0, b"", b"", 0)
        assert isinstance(receipt.value, bytes)
        assert receipt.fuel is not None
        used.append((receipt.fuel, struct.unpack_from("<Q", receipt.value, 28)[0]))
    assert used[1][0] - used[0][0] == used[1][1] - used[0][1]
    assert used[1][1] - used[0][1] > 3_000_000


async def test_a_stack_that_overflows_in_a_callee_is_the_runner_s_condition(
    caller: ipvm.Program, publish: Publish
) -> None:
    callee = await publish('(func $f (export "f") (call $f))')
    arguments = (bytes(callee), b"f", 0, b"", b"", 0)
    with pytest.raises(LimitExceeded, match="wasm_stack_bytes"):
        await caller.f(*arguments)
    with pytest.raises(LimitExceeded, match="wasm_stack_bytes"):
        await caller.f.receipt(*arguments)


RECURSION = """
  (memory (export "memory") 1)
  (data (i32.const 512) "f")
  ;; The number of the error at the bottom * 1000 + the number of calls above it. A result is
  ;; DAG-CBOR: one byte and two bytes of a number.
  (func (export "f") (result i32)
    (drop (call $self (i32.const 0) (i32.const 256) (i32.const 200)))
    (i32.store (i32.const 64)
      (call $call (i32.const 128) (i32.const 256) (i32.const 512) (i32.const 1)
        (i32.const 0) (i32.const 0) (i64.const 0)))
    (if (i32.load (i32.const 64))
      (then (return (i32.mul (i32.load (i32.const 64)) (i32.const 1000)))))
    (drop (call $block_read
      (i32.const 0) (i32.load (i32.const 144)) (i32.const 0) (i32.const 1024) (i32.const 9)))
    (i32.add (i32.const 1)
      (i32.or
        (i32.shl (i32.load8_u (i32.const 1025)) (i32.const 8)) (i32.load8_u (i32.const 1026)))))
"""


async def test_a_function_that_calls_itself_without_end_meets_the_limit_of_the_depth(
    node: ipvm.Node, publish: Publish
) -> None:
    guest = await node.load(await publish(RECURSION))
    deepest = ErrorNumber.LIMIT_EXCEEDED * 1000 + CALL_DEPTH_MAX
    assert await guest.f() == deepest
    receipt = await guest.f.receipt()
    assert receipt.value == deepest
    assert receipt.reads == (guest.cid,)


async def test_a_recursion_without_end_by_a_manifest_s_cid_ends_too(
    node: ipvm.Node, publish: Publish
) -> None:
    guest = await node.load(await publish(RECURSION, exports={"f": "-> i32"}))
    assert await guest.f() == ErrorNumber.LIMIT_EXCEEDED * 1000 + CALL_DEPTH_MAX


async def test_a_callee_that_computes_is_cancelled_with_its_caller(
    caller: ipvm.Program, publish: Publish
) -> None:
    callee = await publish('(func (export "f") (loop $again (br $again)))')
    with trio.move_on_after(0.05) as scope:
        await caller.f(bytes(callee), b"f", 0, b"", b"", 0)
    assert scope.cancelled_caught


async def test_a_callee_that_waits_is_cancelled_with_its_caller(
    caller: ipvm.Program, far: Memory, source: Gated
) -> None:
    absent = Block.of(b"\0asm\1\0\0\0")
    await far.put(absent)
    source.gate = trio.Event()
    with trio.move_on_after(0.05) as scope:
        await caller.f(bytes(absent.cid), b"f", 0, b"", b"", 0)
    assert scope.cancelled_caught
    assert source.waiting == 0


async def test_a_callee_has_handles_and_a_memory_of_its_own(call: Call, publish: Publish) -> None:
    """It finds one open block, which is its argument, whatever its caller has open."""
    callee = await publish(
        """(memory (export "memory") 1)
           (func (export "f") (param i32) (result i32)
             (i32.add
               (i32.mul (i32.const 100) (local.get 0))
               (call $block_stat (i32.const 0) (i32.const 2))))""",
        exports={"f": "bytes -> i32"},
    )
    reply = await call(callee, "f", b"argument")
    assert Block.of(reply.data, codec=DAG_CBOR).decode() == 100 + ErrorNumber.INVALID_HANDLE


async def test_what_a_callee_says_carries_its_cid(
    call: Call, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="ipvm.guest")
    callee = await publish(
        """(memory (export "memory") 1) (data (i32.const 0) "hello")
           (func (export "f") (drop (call $log (i32.const 0) (i32.const 5))))"""
    )
    assert (await call(callee, "f")).error == 0
    assert caplog.messages == [f"{callee}: hello"]


async def test_a_block_that_a_callee_made_can_be_opened_by_its_caller_s_next_callee(
    call: Call, publish: Publish, node: ipvm.Node
) -> None:
    """What is linked is found at once, and stored when the whole call has ended well."""
    text = """(memory (export "memory") 1) (data (i32.const 512) "made on the way")
      (func (export "f") (result i32)
        (drop (call $block_create (i32.const 0) (i64.const 0x55) (i32.const 512) (i32.const 15)))
        (drop (call $block_link (i32.const 4) (i32.load (i32.const 0))
          (i64.const 0x12) (i32.const 32) (i32.const 64) (i32.const 100)))
        (drop (call $block_open (i32.const 128) (i32.const 64)))
        (i32.load (i32.const 136)))"""
    reply = await call(await publish(text, exports={"f": "-> bytes"}), "f")
    assert reply.data == b"made on the way"
    assert await node.get(Cid.of(reply.data)) == reply.data
