"""A large program of small modules is loaded as a whole the second time, and nothing else changes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import ipvm
from ipvm.errors import GuestError, LimitExceeded, NotFound
from ipvm.ipld import Cid
from ipvm.limits import Limits
from ipvm.runtime.bundled import MODULES_MIN
from ipvm.store import Memory
from ipvm.testing import Library

STEP = """(module (import "next" "f" (func $next (param i32) (result i32))){more}
  (func (export "f") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (unreachable)))
    (i32.add (call $next (local.get 0)) (i32.const {number}))))"""
LEAF = """(module $leaf (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1) (global $g (mut i32) (i32.const 0))
  (func $begin (global.set $g (i32.const 5))) (start $begin)
  (func $inner (export "f") (param i32) (result i32)
    (if (i32.eq (local.get 0) (i32.const 13)) (then (unreachable)))
    (drop (call $log (i32.const 0) (i32.const 0))) (global.get $g)))"""
ECHO = """(module (import "next" "f" (func $next (param i32) (result i32)))
  (func (export "f") (param i32) (result i32) (call $next (local.get 0)))
  (func (export "same") (param i32) (result i32) (local.get 0)))"""
SIGNATURES = {
    "f": ipvm.Signature(params=("i32",), results=("i32",)),
    "same": ipvm.Signature(params=("ipld",), results=("ipld",), doc="The same."),
}


def chain(library: Library, length: int = MODULES_MIN, *, more: str = "") -> Cid:
    """So many modules in a chain: the last has a start function and makes host calls."""
    last = library.manifest(LEAF)
    for number in range(1, length - 1):
        last = library.manifest(STEP.format(number=number, more=more), {"next": last})
    return library.manifest(ECHO, {"next": last}, SIGNATURES)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cache that nobody else uses."""
    monkeypatch.setenv("IPVM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "artifacts"


async def load(library: Library, root: Cid) -> None:
    """Load a program in a node that is closed again, as another process does."""
    async with ipvm.open(store=await library.store()) as node:
        await node.load(root)


def bundle_and_others(cache: Path) -> tuple[Path, list[Path]]:
    """Give the file of the bundle, which is the largest, and those of modules."""
    *others, bundle = sorted(cache.glob("*.cwasm"), key=lambda file: file.stat().st_size)
    return bundle, others


async def found(store: Memory, root: Cid, fuel: int = 10_000_000) -> list[object]:
    """All that can be learnt from a program."""
    logged: list[tuple[Cid, str]] = []
    async with ipvm.open(store=store, on_log=lambda *each: logged.append(each)) as node:
        program = await node.load(root, fuel=fuel)
        receipt = await program.f.receipt(1)
        failed = await program.f.receipt(13)
        measured = await program.f.measured(2)
        value = {"a": [1, "x", None]}
        with pytest.raises(GuestError) as caught:
            await program.f(13)
        return [
            program.functions,
            str(program.same.signature),
            program.same.__doc__,
            receipt.cid,
            receipt.invocation,
            receipt.reads,
            failed.cid,
            measured,
            await program.same(value) == value,
            caught.value.frames,
            logged,
        ]


async def test_a_program_from_its_bundle_is_the_same_to_the_last_frame(cache: Path) -> None:
    library = Library()
    root = chain(library)
    first = await found(await library.store(), root)
    for file in bundle_and_others(cache)[1]:
        file.unlink()
    assert await found(Memory(), root) == first
    assert "inner" in str(first[-2])


@pytest.mark.usefixtures("cache")
async def test_without_the_cache_nothing_is_known() -> None:
    library = Library()
    root = chain(library)
    await load(library, root)
    async with ipvm.open(store=Memory(), cache=False) as node:
        with pytest.raises(NotFound):
            await node.load(root)
    async with ipvm.open(store=Memory()) as node:
        with pytest.raises(NotFound):
            await node.load(root, profile="fast")


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("closure_modules_max", MODULES_MIN - 1),
        ("closure_depth_max", MODULES_MIN - 1),
        ("closure_bytes_max", 100),
        ("closure_entries_max", 5),
        ("module_bytes_max", 50),
        ("module_imports_max", 0),
        ("module_functions_max", 1),
        ("module_entries_max", 3),
        ("function_bytes_max", 10),
        ("program_artifact_bytes_max", 20_000),
    ],
)
@pytest.mark.usefixtures("cache")
async def test_what_a_limit_refuses_is_refused_also_when_it_was_loaded_before(
    limit: str, value: int
) -> None:
    library = Library()
    root = chain(library)
    await load(library, root)
    async with ipvm.open(store=await library.store(), limits=Limits(**{limit: value})) as node:
        with pytest.raises(LimitExceeded) as caught:
            await node.load(root)
        assert caught.value.limit == limit
    async with ipvm.open(store=Memory(), limits=Limits(**{limit: 10**9})) as node:
        with pytest.raises(NotFound):
            await node.load(root)


@pytest.mark.parametrize("damage", ["bit", "cut", "gone", "other"])
async def test_a_bundle_that_is_damaged_is_made_anew(cache: Path, damage: str) -> None:
    library = Library()
    root = chain(library)
    await load(library, root)
    bundle, others = bundle_and_others(cache)
    contents = bytearray(bundle.read_bytes())
    if damage == "bit":
        contents[len(contents) // 3] ^= 4
        bundle.write_bytes(contents)
    elif damage == "cut":
        os.truncate(bundle, len(contents) // 2)
    elif damage == "gone":
        bundle.unlink()
    else:
        bundle.write_bytes(others[0].read_bytes())
    async with ipvm.open(store=Memory()) as node:
        with pytest.raises(NotFound):
            await node.load(root)
    await load(library, root)
    async with ipvm.open(store=Memory()) as node:
        assert await (await node.load(root)).f(1) == 5 + sum(range(1, MODULES_MIN - 1))


@pytest.mark.parametrize(
    ("make", "kept"),
    [
        (lambda library: chain(library, MODULES_MIN), True),
        (lambda library: chain(library, MODULES_MIN - 1), False),
        (
            lambda library: chain(
                library, more='(memory 4) (data (i32.const 0) "a") (data (i32.const 200000) "b")'
            ),
            False,
        ),
    ],
)
@pytest.mark.usefixtures("cache")
async def test_only_programs_of_many_small_modules_are_kept_as_a_whole(
    make: Callable[[Library], Cid], *, kept: bool
) -> None:
    library = Library()
    root = make(library)
    await load(library, root)
    async with ipvm.open(store=Memory()) as node:
        if kept:
            await node.load(root)
        else:
            with pytest.raises(NotFound):
                await node.load(root)


@pytest.mark.usefixtures("cache")
async def test_a_function_that_is_called_by_cid_comes_from_its_bundle_too() -> None:
    library = Library()
    callee = chain(library)
    data = "".join(f"\\{byte:02x}" for byte in bytes(callee))
    caller = library.code(f"""(module
      (import "ipvm" "call" (func $call (param i32 i32 i32 i32 i32 i32 i64) (result i32)))
      (memory (export "memory") 1) (data (i32.const 64) "{data}") (data (i32.const 200) "same")
      (func (export "go") (result i32)
        (call $call (i32.const 0) (i32.const 64) (i32.const 200) (i32.const 4) (i32.const 300)
          (i32.const 1) (i64.const 0))))""")
    receipts = []
    for store in (await library.store(), Memory()):
        await store.put(library.blocks[caller])
        async with ipvm.open(store=store) as node:
            receipt = await (await node.load(caller)).go.receipt()
            receipts.append((receipt.cid, receipt.value, receipt.reads))
    assert receipts[0] == receipts[1]
    assert receipts[0][1] == 0
    assert callee in receipts[0][2]
