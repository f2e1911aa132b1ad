"""What a call makes, and what it runs, while somebody collects garbage."""

import subprocess
import sys
from pathlib import Path

import pytest

import ipvm
from ipvm.ipld import BlockNotFound, Cid
from ipvm.runtime.run import KEPT_BYTES_MAX
from ipvm.store import collect
from ipvm.store.lmdb import Lmdb

BLOCK = 1024 * 1024
BLOCKS = KEPT_BYTES_MAX // BLOCK + 2

MAKING = f"""(module
  (import "ipld" "block_create" (func $create (param i32 i64 i32 i32) (result i32)))
  (import "ipld" "block_link" (func $link (param i32 i32 i64 i32 i32 i32) (result i32)))
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 18)
  (data (i32.const 256) "made")
  (func (export "make") (param $count i32) (result i32)
    (loop $next
      (i32.store (i32.const 1024) (local.get $count))
      (drop (call $create (i32.const 0) (i64.const 0x55) (i32.const 1024) (i32.const {BLOCK})))
      (drop (call $link (i32.const 0) (i32.load (i32.const 0)) (i64.const 0x12) (i32.const 32)
                        (i32.const 16) (i32.const 64)))
      (if (i32.eq (local.get $count) (i32.const {BLOCKS}))  ;; the first is opened again below
        (then (memory.copy (i32.const 128) (i32.const 16) (i32.const 64))))
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (drop (call $log (i32.const 256) (i32.const 4)))
    (call $open (i32.const 0) (i32.const 128))))"""


def collect_elsewhere(store: Path) -> str:
    """Collect garbage in another process."""
    command = [sys.executable, "-m", "ipvm", "--store", str(store), "gc"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("how", ["call", "receipt", "session"])
async def test_what_a_long_call_makes_outlives_a_collection_until_its_end(
    tmp_path: Path, how: str
) -> None:
    (tmp_path / "making.wat").write_text(MAKING)
    collected: list[str] = []

    def collect_now(_cid: Cid, _message: str) -> None:
        collected.append(collect_elsewhere(tmp_path / "store"))

    with Lmdb(tmp_path / "store") as store:
        async with ipvm.open(store=store, on_log=collect_now, cache=False) as runtime:
            making = await runtime.load(tmp_path / "making.wat")
            if how == "session":
                async with making.session() as living:
                    assert await living.make(BLOCKS) == 0
            elif how == "receipt":
                assert (await making.make.receipt(BLOCKS)).value == 0
            else:
                assert await making.make(BLOCKS) == 0
        assert collected[-1].startswith("freed 0 blocks")
        assert (await store.statistics()).blocks >= BLOCKS
        assert (await collect(store)).freed.blocks >= BLOCKS  # nobody wanted them for longer


async def test_a_program_that_was_loaded_runs_on_when_its_blocks_are_collected(
    tmp_path: Path,
) -> None:
    (tmp_path / "one.wat").write_text('(module (func (export "one") (result i32) (i32.const 1)))')
    with Lmdb(tmp_path / "store") as store:
        async with ipvm.open(store=store, cache=False) as runtime:
            cid = await runtime.publish(tmp_path / "one.wat", pin=False)
            program = await runtime.load(cid)
            assert (await runtime.collect_garbage()).freed.blocks > 0
            assert await program.one() == 1
            receipt = await program.one.receipt()
            assert receipt.value == 1
        async with ipvm.open(store=store, cache=False) as runtime:
            with pytest.raises(BlockNotFound):
                await runtime.load(cid)
