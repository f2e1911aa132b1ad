"""What a function asked for and what it made: the one is told, the other is kept."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

import ipvm
from ipvm.errors import GuestError
from ipvm.ipld import DAG_CBOR, Block, Cid
from ipvm.limits import READS_INLINE_MAX
from ipvm.model import Manifest
from ipvm.testing import Library

Load = Callable[..., Awaitable[ipvm.Program]]
Reading = Callable[[Sequence[Cid]], str]
Calling = Callable[..., str]
Making = Callable[..., str]


@pytest.mark.parametrize("count", [0, 1, 10, READS_INLINE_MAX, READS_INLINE_MAX + 1])
async def test_reads_are_complete_sorted_and_told_once(
    count: int, node: ipvm.Node, load: Load, reading: Reading
) -> None:
    library = Library()
    cids = [library.keep(Block.of(b"%d" % number)) for number in range(max(count, 1))]
    program = await load(library, library.code(reading([*cids, *cids[:10]])))
    receipt = await program.read.receipt(count + min(count, 10))
    assert receipt.value == 0
    expected = sorted(cids[:count], key=bytes)
    assert receipt.reads == tuple(expected)
    reads = receipt.record.reads
    if count > READS_INLINE_MAX:
        assert isinstance(reads, Cid)
        assert await node.get_value(reads) == expected
    else:
        assert reads == tuple(expected)


async def test_what_a_called_function_reads_is_read(
    load: Load, reading: Reading, calling: Calling
) -> None:
    library = Library()
    seen = library.keep(Block.of(b"seen"))
    inner = library.manifest(reading([seen]))
    middle = library.manifest(calling(inner, "all"))
    program = await load(library, library.code(calling(middle, "go")))
    receipt = await program.go.receipt()
    assert receipt.value == 0
    assert receipt.reads == tuple(sorted([middle, inner, seen], key=bytes))


async def test_a_block_that_was_made_is_not_read_and_is_stored(
    node: ipvm.Node, load: Load, making: Making
) -> None:
    library = Library()
    program = await load(library, library.code(making(b"seven!!")))
    made = Block.of(b"seven!!").cid
    assert not await node.store.has(made)
    receipt = await program.make.receipt()
    assert (receipt.value, receipt.reads) == (7, ())
    assert await node.get(made) == b"seven!!"
    await node.store.delete(made)
    assert await program.make() == 7
    assert await node.store.has(made)


@pytest.mark.parametrize(
    "end",
    ["(unreachable)", "(loop (br 0))", "(return (i32.const 99))"],
    ids=["trap", "out-of-fuel", "invalid-result"],
)
async def test_what_a_function_made_is_not_stored_when_it_fails(
    end: str, node: ipvm.Node, load: Load, making: Making
) -> None:
    library = Library()
    exports = {"make": ipvm.Signature(params=(), results=("bytes",))}
    root = library.manifest(making(b"seven!!", end=end), exports=exports)
    program = await load(library, root, fuel=20_000_000)
    with pytest.raises(GuestError):
        await program.make()
    assert (await program.make.receipt()).error is not None
    assert not await node.store.has(Block.of(b"seven!!").cid)


@pytest.mark.parametrize("end", ["", "(unreachable)"])
async def test_what_a_called_function_made_is_stored_if_its_caller_succeeds(
    end: str, node: ipvm.Node, load: Load, making: Making, calling: Calling
) -> None:
    library = Library()
    inner = library.code(making(b"seven!!"))
    program = await load(library, library.code(calling(inner, "make", end=end)))
    if end:
        with pytest.raises(GuestError):
            await program.go()
    else:
        assert await program.go() == 0
    assert await node.store.has(Block.of(b"seven!!").cid) is not bool(end)


async def test_a_function_may_call_what_it_has_just_made(making: Making) -> None:
    library = Library()
    code = library.code('(module (func (export "one") (result i32) (i32.const 1)))')
    made = Manifest(code=code).to_block()
    root = library.code(
        making(
            made.data,
            codec=DAG_CBOR,
            imports="""
              (import "ipvm" "call"
                (func $call (param i32 i32 i32 i32 i32 i32 i64) (result i32)))""",
            end="""
              (i32.store (i32.const 512) (i32.const 0x656e6f))
              (return (call $call (i32.const 256) (i32.const 64) (i32.const 512) (i32.const 3)
                (i32.const 0) (i32.const 0) (i64.const 0)))""",
        )
    )
    found = set()
    for _ in range(2):
        store = await library.store()
        async with ipvm.open(store=store) as node:
            receipt = await (await node.load(root)).make.receipt()
        assert (receipt.value, receipt.reads) == (0, ())
        assert await store.has(made.cid)
        found.add(receipt.cid)
    assert len(found) == 1
