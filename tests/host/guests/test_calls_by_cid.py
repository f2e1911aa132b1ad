"""A guest calls another function by its CID: blocks go in and come out, and what fails has a number."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

import ipvm
from ipvm.host import EXIT_NUMBERS, ErrorNumber
from ipvm.ipld import DAG_CBOR, RAW, Block, Cid

if TYPE_CHECKING:
    from tests.host.guests.conftest import Reply

Publish = Callable[..., Awaitable[Cid]]
Call = Callable[..., Awaitable["Reply"]]

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
