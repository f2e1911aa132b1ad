"""Functions read files by CID: what they touch is told, and it is the same wherever they run."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest

import ipvm
from ipvm.errors import NotFound
from ipvm.files.balanced import file_blocks
from ipvm.files.nodes import NO_METADATA, Link, file_message, node as node_of
from ipvm.files.profiles import V1_2025
from ipvm.ipld import Block, Cid
from ipvm.model import Signature
from ipvm.store import Memory
from ipvm.testing import Library

Load = Callable[..., Awaitable[ipvm.Program]]

SUM: Final = """(module
  (import "ipvm" "file_read" (func $read (param i32 i32 i32 i32 i64 i32 i32) (result i32)))
  (import "ipld" "block_read" (func $block (param i32 i32 i32 i32 i32) (result i32)))
  (import "ipld" "block_create" (func $create (param i32 i64 i32 i32) (result i32)))
  (import "ipld" "block_link" (func $link (param i32 i32 i64 i32 i32 i32) (result i32)))
  (memory (export "memory") 20)
  (func (export "sum") (param $file i32) (param $from i64) (param $step i32) (result i64)
    (if (call $block (i32.const 0) (local.get $file) (i32.const 0) (i32.const 64) (i32.const 160))
      (then unreachable))
    (call $total (local.get $from) (local.get $step)))
  ;; Add up the bytes of the file whose CID is at 64, or give minus the error number.
  (func $total (param $from i64) (param $step i32) (result i64)
    (local $error i32) (local $at i32) (local $sum i64)
    (loop $next
      (local.set $error
        (call $read (i32.const 0) (i32.const 64) (i32.const 0) (i32.const 0) (local.get $from)
          (i32.const 65536) (local.get $step)))
      (if (local.get $error)
        (then (return (i64.sub (i64.const 0) (i64.extend_i32_u (local.get $error))))))
      (if (i32.eqz (i32.load (i32.const 0))) (then (return (local.get $sum))))
      (local.set $from (i64.add (local.get $from) (i64.extend_i32_u (i32.load (i32.const 0)))))
      (local.set $at (i32.const 0))
      (loop $byte
        (local.set $sum (i64.add (local.get $sum)
          (i64.load8_u (i32.add (i32.const 65536) (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $byte (i32.lt_u (local.get $at) (i32.load (i32.const 0)))))
      (br $next))
    (unreachable))
  ;; Make a file of one byte, and add it up.
  (func (export "made") (result i64)
    (i32.store8 (i32.const 8) (i32.const 77))
    (if (call $create (i32.const 0) (i64.const 0x55) (i32.const 8) (i32.const 1)) (then unreachable))
    (if (call $link (i32.const 0) (i32.load (i32.const 0)) (i64.const 18) (i32.const 32)
          (i32.const 64) (i32.const 160))
      (then unreachable))
    (call $total (i64.const 0) (i32.const 16))))"""

EXPORTS: Final = {
    "sum": Signature(params=("link", "i64", "i32"), results=("i64",)),
    "made": Signature(params=(), results=("i64",)),
}
CONTENT: Final = Random(7).randbytes(3_000_000)


def summing() -> tuple[Library, Cid]:
    library = Library()
    return library, library.manifest(SUM, exports=EXPORTS)


def add_content(library: Library) -> tuple[Cid, list[Cid]]:
    """A file of three parts; gives its root and all its blocks."""
    root, blocks = file_blocks(CONTENT)
    return root, [library.keep(block) for block in blocks]


@pytest.mark.parametrize("profile", ["deterministic", "fast"])
async def test_a_file_is_streamed_and_all_that_was_touched_is_told(
    load: Load, profile: str
) -> None:
    library, cid = summing()
    root, blocks = add_content(library)
    program = await load(library, cid, profile=profile)
    receipt = await program["sum"].receipt(root, 0, 65_536)
    assert receipt.value == sum(CONTENT)
    assert receipt.reads == tuple(sorted(blocks, key=bytes))
    assert await program["sum"](root, 0, 1_000_000) == sum(CONTENT)
    last = await program["sum"].receipt(root, 2_999_990, 65_536)
    assert last.value == sum(CONTENT[-10:])
    assert set(last.reads) == {root, blocks[2]}


async def test_a_guest_that_waits_often_comes_to_the_same(load: Load) -> None:
    """Those that wait a few times are run again; the others wait on a fiber."""
    library, cid = summing()
    for parts in (1, 2, 3, 4, 5, 6, 12):
        leaves = [Block.of(bytes([number]) * 100) for number in range(parts)]
        links = [Link(b"", library.keep(leaf), 100) for leaf in leaves]
        message = file_message(b"", 100 * parts, [100] * parts, NO_METADATA)
        written, block = node_of(message, links, V1_2025, file_bytes=100 * parts)
        library.keep(block)
        program = await load(library, cid)
        for step in (7, 100, 65_536):
            first = await program["sum"].receipt(written.cid, 0, step)
            assert first.value == 100 * sum(range(parts))
            assert len(first.reads) == parts + 1
            assert (await program["sum"].receipt(written.cid, 0, step)).cid == first.cid
            assert (await program["sum"].measured(written.cid, 0, step)).fuel == first.fuel


async def test_a_block_that_is_missing_is_a_condition_of_the_runner(load: Load) -> None:
    library, cid = summing()
    root, blocks = add_content(library)
    del library.blocks[blocks[1]]
    program = await load(library, cid)
    assert await program["sum"](root, 0, 65_536) == -6
    with pytest.raises(NotFound):
        await program["sum"].receipt(root, 0, 65_536)


async def test_what_a_guest_made_is_a_file_as_well(load: Load) -> None:
    library, cid = summing()
    receipt = await (await load(library, cid)).made.receipt()
    assert (receipt.value, receipt.reads) == (77, ())


async def test_files_are_read_in_sessions_each_call_anew(load: Load) -> None:
    library, cid = summing()
    root, _ = add_content(library)
    program = await load(library, cid)
    async with program.session() as session:
        first = await session["sum"].measured(root, 0, 65_536)
        assert first.value == sum(CONTENT)
        assert await session["sum"].measured(root, 0, 65_536) == first


async def test_two_stores_give_one_receipt_and_a_pack_is_enough(tmp_path: Path) -> None:
    library, cid = summing()
    root, _ = add_content(library)
    async with ipvm.open(store=await library.store()) as node:
        receipt = await (await node.load(cid))["sum"].receipt(root, 0, 65_536)
        await node.cars.pack(cid, tmp_path / "sum.car", receipt=receipt.cid)
    async with ipvm.open(store=Memory(), offline=True) as node:
        await node.cars.import_file(tmp_path / "sum.car")
        again = await (await node.load(cid))["sum"].receipt(root, 0, 65_536)
    assert again.cid == receipt.cid
