"""A call keeps only so many bytes of its own making."""

from pathlib import Path

import pytest

import ipvm
from ipvm.store import Memory

KEEPING = """(module
  (import "ipld" "block_create" (func $create (param i32 i64 i32 i32) (result i32)))
  (import "ipld" "block_link" (func $link (param i32 i32 i64 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "keep") (param $bytes i32) (result i32)
    (drop (call $create (i32.const 0) (i64.const 0x55) (i32.const 1024) (local.get $bytes)))
    (call $link (i32.const 0) (i32.load (i32.const 0)) (i64.const 0x12) (i32.const 32)
                (i32.const 16) (i32.const 64))))"""


async def test_a_call_that_makes_more_than_the_bound_is_refused_and_keeps_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "keeping.wat").write_text(KEEPING)
    store = Memory()
    limits = ipvm.Limits(made_bytes_max=100)
    async with ipvm.open(store=store, limits=limits, cache=False) as runtime:
        keeping = await runtime.load(tmp_path / "keeping.wat")
        before = await store.statistics()
        with pytest.raises(ipvm.LimitExceeded, match="made_bytes_max is 100"):
            await keeping.keep(101)
        assert await store.statistics() == before
        assert await keeping.keep(100) == 0
        assert (await store.statistics()).blocks == before.blocks + 1
