"""A guest calls another function by its CID: in a store of its own, with a slice of the fuel."""

import struct
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest
import trio

import ipvm
from ipvm.errors import LimitExceeded
from ipvm.host import EXIT_NUMBERS, ErrorNumber
from ipvm.ipld import DAG_CBOR, RAW, Block, Cid
from ipvm.limits import CALL_DEPTH_MAX
from ipvm.store import Memory
from ipvm.testing import Gated

Publish = Callable[..., Awaitable[Cid]]
Call = Callable[..., Awaitable["Reply"]]

CALLER = f"""
  (memory (export "memory") 2)
  (func (export "f") (param $cid i32) (param $name i32) (param $count i32)
    (param $first i32) (param $second i32) (param $fuel i64) (result i32)
    (drop (call $block_stat (i32.const 0) (local.get $name)))
    (drop (call $block_read
      (i32.const 64) (local.get $cid) (i32.const 0) (i32.const 256) (i32.const 200)))
    (drop (call $block_read
      (i32.const 64) (local.get $name) (i32.const 0) (i32.const 1024) (i32.const 4096)))
    (i32.store (i32.const 8192) (local.get $first))
    (i32.store (i32.const 8196) (local.get $second))
    (i32.store (i32.const 16384)
      (call $call (i32.const 16388) (i32.const 256) (i32.const 1024) (i32.load (i32.const 8))
        (i32.const 8192) (local.get $count) (local.get $fuel)))
    (if (i32.load (i32.const 16404))  ;; the handle of the result
      (then
        (drop (call $block_read (i32.const 64) (i32.load (i32.const 16404))
          (i32.const 0) (i32.const 16420) (i32.const 20000)))))
    (drop (call $block_create (i32.const 64) (i64.const {RAW})
      (i32.const 16384) (i32.add (i32.const 36) (i32.load (i32.const 16408)))))
    (i32.load (i32.const 64)))
"""


class Reply(NamedTuple):
    """What the caller saw: the error number, then what stands behind the out-pointer."""

    error: int
    exit: int
    code: int
    codec: int
    id: int
    size: int
    fuel_used: int
    data: bytes


@pytest.fixture
async def caller(node: ipvm.Node, publish: Publish) -> ipvm.Program:
    return await node.load(
        await publish(CALLER, exports={"f": "bytes, bytes, i32, bytes, bytes, i64 -> bytes"})
    )


@pytest.fixture
def call(caller: ipvm.Program) -> Call:
    """Calls a function through the guest."""

    async def call(cid: Cid | bytes, name: str | bytes, *blocks: bytes, fuel: int = 0) -> Reply:
        given = [*blocks, b"", b""][:2]
        spelled = name.encode() if isinstance(name, str) else name
        reply = await caller.f(bytes(cid), spelled, len(blocks), *given, fuel)
        assert isinstance(reply, bytes)
        return Reply._make([*struct.unpack_from("<iIIQIIQ", reply), reply[36:]])

    return call


ECHO = '(func (export "f") (param i32) (result i32) (local.get 0))'


async def test_a_block_goes_to_the_callee_and_its_result_comes_back(
    call: Call, publish: Publish
) -> None:
    callee = await publish(ECHO, exports={"f": "bytes -> bytes"})
    for data in (b"", b"data", bytes(20_000)):
        reply = await call(callee, "f", data)
        assert (reply.error, reply.exit, reply.code) == (0, EXIT_NUMBERS["ok"], 0)
        assert (reply.codec, reply.size, reply.data) == (RAW, len(data), data)
        assert reply.id == 5  # behind the four arguments of the caller


@pytest.mark.parametrize(
    ("signature", "body", "value"),
    [
        ("-> i32", "(result i32) (i32.const -5)", -5),
        ("-> f64", "(result f64) (f64.const 0.5)", 0.5),
        ("-> bool", "(result i32) (i32.const 7)", True),
        ("-> i32, i64", "(result i32 i64) (i32.const 1) (i64.const 2)", [1, 2]),
        ("-> f32", "(result f32) (f32.const nan)", "NaN"),
    ],
)
async def test_a_result_that_is_no_block_comes_as_dag_cbor(
    call: Call, publish: Publish, signature: str, body: str, value: object
) -> None:
    reply = await call(await publish(f'(func (export "f") {body})', exports={"f": signature}), "f")
    assert (reply.error, reply.codec) == (0, DAG_CBOR)
    assert Block.of(reply.data, codec=DAG_CBOR).decode() == value


async def test_a_function_without_a_result_or_with_null_gives_no_handle(
    call: Call, publish: Publish
) -> None:
    for body, exports in (
        ("", {}),
        ("(result i32) (i32.const 0)", {"f": "-> bytes"}),
        ("(result i32) (i32.const 0)", {"f": "-> ipld"}),
    ):
        reply = await call(await publish(f'(func (export "f") {body})', exports=exports), "f")
        assert reply[:6] == (0, EXIT_NUMBERS["ok"], 0, 0, 0, 0)


async def test_scalars_are_taken_from_blocks(call: Call, publish: Publish) -> None:
    callee = await publish(
        """(func (export "f") (param i32 i64) (result i64)
             (i64.sub (local.get 1) (i64.extend_i32_s (local.get 0))))"""
    )
    # The arguments of `call` are raw blocks, and a number is DAG-CBOR.
    assert (await call(callee, "f", b"\x01", b"\x02")).error == ErrorNumber.ILLEGAL_ARGUMENT


ANSWERS_WITH_ERRORS = [
    ("not UTF-8", b"\xff", (), ErrorNumber.ILLEGAL_ARGUMENT),
    ("not there", b"g", (), ErrorNumber.ILLEGAL_ARGUMENT),
    ("empty", b"", (), ErrorNumber.ILLEGAL_ARGUMENT),
    ("a memory", b"m", (), ErrorNumber.ILLEGAL_ARGUMENT),
    ("too many arguments", b"none", (b"x",), ErrorNumber.ILLEGAL_ARGUMENT),
    ("too few arguments", b"text", (), ErrorNumber.ILLEGAL_ARGUMENT),
    ("no text", b"text", (b"\xff",), ErrorNumber.ILLEGAL_ARGUMENT),
    ("no link", b"link", (b"\xff",), ErrorNumber.ILLEGAL_ARGUMENT),
    ("no number", b"number", (b"1",), ErrorNumber.ILLEGAL_ARGUMENT),
    ("a long name", b"x" * 1024, (), ErrorNumber.ILLEGAL_ARGUMENT),
    ("a longer name", b"x" * 1025, (), ErrorNumber.LIMIT_EXCEEDED),
    ("fits", b"text", (b"text",), 0),
    ("fits", b"none", (), 0),
]


@pytest.mark.parametrize(
    ("name", "blocks", "number"), [case[1:] for case in ANSWERS_WITH_ERRORS], ids=str
)
async def test_a_call_that_does_not_fit_the_callee_has_a_number(
    call: Call, publish: Publish, name: bytes, blocks: tuple[bytes, ...], number: int
) -> None:
    callee = await publish(
        """(memory (export "m") 1) (func (export "none")) (func (export "text") (param i32))
           (func (export "link") (param i32)) (func (export "number") (param i64))""",
        exports={"none": "->", "text": "string ->", "link": "link ->", "number": "i64 ->"},
    )
    reply = await call(callee, name, *blocks)
    assert reply.error == number
    assert reply[1:] == ((0,) * 6 + (b"",) if number else reply[1:])


async def test_what_cannot_be_called_has_a_number(
    call: Call, publish: Publish, node: ipvm.Node
) -> None:
    unserved = await publish('(import "nobody" "g" (func)) (func (export "f"))')
    for cid, number in (
        (b"", ErrorNumber.ILLEGAL_ARGUMENT),
        (b"\x01\x55\x12\x13", ErrorNumber.ILLEGAL_ARGUMENT),
        (Cid.of(b"absent"), ErrorNumber.NOT_FOUND),
        (await node.put(b"no code"), ErrorNumber.ILLEGAL_CID),
        (await node.put(b"\0asm\1\0\0\0\1"), ErrorNumber.ILLEGAL_CID),
        (await node.put(b"\0asm\1\0\0\0\x0a\2\1"), ErrorNumber.ILLEGAL_CID),
        (await node.put_value({"no": "manifest"}), ErrorNumber.ILLEGAL_CID),
        (unserved, ErrorNumber.ILLEGAL_CID),
        (await publish('(func (export "f") (result i32) (i64.const 1))'), ErrorNumber.ILLEGAL_CID),
        (Cid.of(b"\0asm\1\0\0\0", hash_code=0), ErrorNumber.ILLEGAL_ARGUMENT),
    ):
        assert (await call(cid, "f")).error == number, cid


async def test_a_call_takes_up_to_256_arguments(publish: Publish, caller: ipvm.Program) -> None:
    many = await publish(
        f'(func (export "f") (param {"i32 " * 256}) (result i32) (local.get 255))',
        exports={"f": f"{', '.join(['bytes'] * 256)} -> bytes"},
    )
    for count, number in ((256, 0), (257, 3), (255, 1), (2**31 - 1, 3), (-1, 3)):
        reply = await caller.f(bytes(many), b"f", count, b"a", b"b", 0)
        assert isinstance(reply, bytes)
        assert int.from_bytes(reply[:4], "little") == number


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
