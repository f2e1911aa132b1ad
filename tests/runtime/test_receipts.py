"""A receipt is a function of content: two honest runs agree on it to the byte, or have none."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

import ipvm
from ipvm.errors import GuestError, LimitExceeded, NotFound
from ipvm.ipld import Block, Cid, Value
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT
from ipvm.model import Invocation, Receipt as Record
from ipvm.runtime import kernel_cid
from ipvm.testing import Library

Load = Callable[..., Awaitable[ipvm.Program]]
Reading = Callable[[Sequence[Cid]], str]
Calling = Callable[..., str]

ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'
FAILING = """(module
  (import "ipvm" "abort" (func $abort (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 8) "no\\1b[2J\\0amore")
  (func $boom (export "trap") (unreachable))
  (func (export "abort") (drop (call $abort (i32.const 7) (i32.const 8) (i32.const 11))))
  (func (export "spin") (loop (br 0)))
  (func (export "bad") (result i32) (i32.const 9)))"""
BAD = {"bad": ipvm.Signature(params=(), results=("bytes",))}


async def record_of(node: ipvm.Node, receipt: ipvm.Receipt) -> Record:
    return Record.from_block(await node.blocks.get(receipt.cid))


async def invocation_of(node: ipvm.Node, receipt: ipvm.Receipt) -> Invocation:
    return Invocation.from_block(await node.blocks.get(receipt.invocation))


async def test_a_receipt_says_what_ran_and_what_came_of_it(node: ipvm.Node, load: Load) -> None:
    library = Library()
    root = library.manifest(ADD)
    receipt = await (await load(library, root)).add.receipt(2, 3)
    assert receipt.value == 5
    invocation = await invocation_of(node, receipt)
    assert invocation == Invocation(run=root, func="add", args=(2, 3))
    record = await record_of(node, receipt)
    assert record == receipt.record
    assert record.to_value() == {
        "ipvm": "receipt/1",
        "ran": receipt.invocation,
        "out": {"ok": 5},
        "fuel": receipt.fuel,
        "reads": [],
        "engine": {"kernel": kernel_cid(), "profile": "deterministic", "wasmtime": 50},
    }


async def test_the_same_work_has_the_same_receipt_everywhere(reading: Reading) -> None:
    library = Library()
    cids = [library.keep(Block.of(b"%d" % number)) for number in range(10)]
    root = library.code(reading(cids))
    found = set()
    for _ in range(2):
        async with ipvm.open(store=await library.store()) as node:
            program = await node.load(root)
            found |= {(await program.read.receipt(10)).cid for _ in range(3)}
    assert len(found) == 1


FAILURES = [
    ("trap", {"kind": "trap", "message": "unreachable"}, None),
    ("abort", {"kind": "abort", "code": 7, "message": "no\x1b[2J\nmore"}, 153),
    ("spin", {"kind": "out-of-fuel"}, 5_000_000),
    ("bad", {"kind": "invalid-result"}, 18),
]


@pytest.mark.parametrize(("function", "error", "fuel"), FAILURES)
async def test_a_failure_has_a_receipt(
    function: str, error: dict[str, Value], fuel: int | None, node: ipvm.Node, load: Load
) -> None:
    library = Library()
    none = ipvm.Signature(params=(), results=())
    exports = {**BAD, "trap": none, "abort": none, "spin": none}
    program = await load(library, library.manifest(FAILING, exports=exports), fuel=5_000_000)
    receipts = [await program[function].receipt() for _ in range(2)]
    assert receipts[0].cid == receipts[1].cid
    receipt = receipts[0]
    record = (await record_of(node, receipt)).to_value()
    assert record["out"] == {"error": error}
    assert record.get("fuel") == receipt.fuel == fuel
    with pytest.raises(GuestError) as caught:
        _ = receipt.value
    assert caught.value is receipt.error


async def test_the_words_of_a_trap_are_those_of_the_spec(load: Load) -> None:
    library = Library()
    text = """(module (memory 1) (table 1 funcref) (type $t (func))
      (func (export "unreachable") (unreachable))
      (func (export "memory") (drop (i32.load (i32.const 65536))))
      (func (export "table") (drop (table.get (i32.const 1))))
      (func (export "null") (call_indirect (type $t) (i32.const 0)))
      (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.const 0))))
      (func (export "overflow") (drop (i32.div_s (i32.const -2147483648) (i32.const -1))))
      (func (export "convert") (drop (i32.trunc_f32_s (f32.const nan)))))"""
    program = await load(library, library.code(text))
    found = {}
    for name in program:
        receipt = await program[name].receipt()
        assert receipt.record.out.error is not None
        assert receipt.record.out.error.kind == "trap"
        found[name] = receipt.record.out.error.message
    assert found == {
        "unreachable": "unreachable",
        "memory": "memory out of bounds",
        "table": "table out of bounds",
        "null": "indirect call to null",
        "divide": "integer division by zero",
        "overflow": "integer overflow",
        "convert": "bad conversion to integer",
    }


async def test_bounds_stand_in_an_invocation_only_where_they_are_not_the_default(
    node: ipvm.Node, load: Load
) -> None:
    library = Library()
    root = library.manifest(ADD)
    program = await load(library, root)
    for options, expected in [
        ({}, (None, None)),
        ({"fuel": FUEL_DEFAULT, "memory": MEMORY_DEFAULT}, (None, None)),
        ({"fuel": 1000}, (1000, None)),
        ({"memory": 65_536}, (None, 65_536)),
        ({"fuel": 2**63 - 1, "memory": 2**63 - 1}, (2**63 - 1, 2**63 - 1)),
    ]:
        receipt = await program.using(**options).add.receipt(1, 2)
        invocation = await invocation_of(node, receipt)
        assert (invocation.fuel, invocation.memory) == expected
        assert invocation.profile == "deterministic"
    fast = await (await load(library, root, profile="fast", fuel=1000)).add.receipt(1, 2)
    invocation = await invocation_of(node, fast)
    assert (invocation.profile, invocation.fuel) == ("fast", None)
    assert fast.fuel is None
    assert "machine" in fast.record.engine


async def test_fuel_does_not_depend_on_the_bound(load: Load) -> None:
    """The bound is looked at where functions and loops begin: what comes after the last is free."""
    library = Library()
    text = """(module (func (export "f") (param i32)
      (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"""
    program = await load(library, library.code(text))
    used = (await program.f.receipt(10)).fuel
    assert used is not None
    ends = []
    for bound in range(1, used + 2):
        receipt = await program.using(fuel=bound).f.receipt(10)
        ends.append(receipt.error is None)
        assert receipt.fuel == min(used, bound)
        assert receipt.error is None or receipt.error.kind == "out-of-fuel"
    assert ends == sorted(ends)
    assert (ends[0], ends[-1]) == (False, True)


async def test_after_a_missing_block_there_is_a_result_and_no_receipt(
    node: ipvm.Node, load: Load, reading: Reading
) -> None:
    library = Library()
    there, absent = library.keep(Block.of(b"there")), Block.of(b"absent")
    program = await load(library, library.code(reading([there, absent.cid])))
    not_found = await program.read(2)
    assert not_found != 0
    with pytest.raises(NotFound, match=str(absent.cid)):
        await program.read.receipt(2)
    assert (await program.read.receipt(1)).value == 0
    await node.put(absent.data)
    assert (await program.read.receipt(2)).value == 0


async def test_after_a_missing_function_there_is_no_receipt(load: Load, calling: Calling) -> None:
    library = Library()
    absent = Cid(Cid.of(b"absent").digest, codec=0x71)
    importer = library.manifest(
        '(module (import "x" "f" (func)) (func (export "f")))', {"x": absent}
    )
    for cid in (absent, importer):
        program = await load(library, library.code(calling(cid, "f")))
        assert await program.go() != 0
        with pytest.raises(NotFound, match=str(absent)):
            await program.go.receipt()


async def test_a_function_that_does_not_link_is_an_answer_and_has_a_receipt(
    load: Load, calling: Calling
) -> None:
    library = Library()
    unlinked = library.manifest('(module (import "x" "f" (func)) (func (export "f")))')
    garbage = library.keep(Block.of(b"no code"))
    for cid, name in ((unlinked, "f"), (garbage, "f"), (library.manifest(ADD), "nope")):
        program = await load(library, library.code(calling(cid, name)))
        receipt = await program.go.receipt()
        assert receipt.value == await program.go()
        assert receipt.value != 0


async def test_what_another_function_did_not_survive_is_an_answer(
    load: Load, calling: Calling
) -> None:
    library = Library()
    inner = library.manifest(FAILING, exports={**BAD})
    exits = {}
    for name in ("abort", "trap", "spin", "bad"):
        program = await load(library, library.code(calling(inner, name, fuel=5_000_000)))
        receipt = await program.go.receipt()
        exits[name] = receipt.value
        assert receipt.reads == (inner,)
    assert exits == {"abort": 1, "trap": 2, "spin": 3, "bad": 4}


async def test_running_out_of_stack_is_no_answer(load: Load) -> None:
    library = Library()
    text = '(module (func $f (export "f") (call $f)))'
    program = await load(library, library.code(text))
    for call in (program.f, program.f.receipt):
        with pytest.raises(LimitExceeded, match="wasm_stack_bytes"):
            await call()


async def test_an_export_whose_name_no_record_holds_has_no_receipt(load: Load) -> None:
    library = Library()
    name = "f" * 2000
    program = await load(library, library.code(f'(module (func (export "{name}")))'))
    assert await program[name]() is None
    with pytest.raises(ipvm.InvalidData, match="2000 bytes long"):
        await program[name].receipt()


async def test_a_receipt_shows_itself_and_escapes_what_is_in_it(load: Load) -> None:
    library = Library()
    text = '(module (func (export "f") (param i32) (result i32) (local.get 0)))'
    exports = {"f": ipvm.Signature(params=("string",), results=("string",))}
    program = await load(library, library.manifest(text, exports=exports))
    receipt = await program.f.receipt("<script>&")
    shown = receipt._repr_html_()
    assert "&lt;script&gt;&amp;" in shown
    assert "<script" not in shown
    assert str(receipt.cid) in shown
    assert repr(receipt) == f"<receipt {receipt.cid}: '<script>&'>"
    large = await program.f.receipt("x" * 1_000_000)
    assert len(large._repr_html_()) < 2000
    assert len(repr(large)) < 2000
    failing = await load(library, library.manifest(FAILING.replace("no", "<b>")))
    assert "&lt;b&gt;" in (await failing.abort.receipt())._repr_html_()
