"""A call that is tried without a fiber costs the fuel that it costs on one."""

import pytest

import ipvm
from ipvm.engine import text_to_module
from ipvm.runtime.entry import PAUSE_MIN
from ipvm.store import Memory

COUNT_DOWN_THEN_ADD = f"""
(module (func (export "f") (param $times i32) (result i32)
  (loop (br_if 0 (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
  (i32.const 0) {"(i32.add (i32.const 1))" * 200}))
"""


async def fuel_of(times: int, *, on_a_fiber: bool) -> int | None:
    async with ipvm.open(store=Memory()) as runtime:
        program = await runtime.load(await runtime.put(text_to_module(COUNT_DOWN_THEN_ADD)))
        if on_a_fiber:  # as every call after one that had to be
            await program.f(1_000_000)
        receipt = await program.f.receipt(times)
        assert receipt.error is None
        return receipt.fuel


@pytest.mark.parametrize("times", [1, 199_910, 199_920, 199_990, 200_000])
async def test_fuel_is_the_same_where_a_brief_call_overdraws_its_slice(times: int) -> None:
    fuel = await fuel_of(times, on_a_fiber=True)
    assert fuel == 5 * times + 402
    assert await fuel_of(times, on_a_fiber=False) == fuel


async def test_a_function_that_computed_for_long_once_is_tried_again_some_time() -> None:
    async with ipvm.open(store=Memory()) as runtime:
        program = await runtime.load(await runtime.put(text_to_module(COUNT_DOWN_THEN_ADD)))
        entry = program._loaded.entry("f")
        for pause in (PAUSE_MIN, 2 * PAUSE_MIN):
            assert await program.f(1_000_000) == 200
            assert not entry.brief
            for _ in range(pause):
                assert await program.f(1) == 200
            assert entry.brief
