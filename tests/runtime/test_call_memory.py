"""The memory of a function that is called by CID comes out of its caller's bound."""

from pathlib import Path

import pytest

import ipvm
from ipvm.store import Memory

PAGE_BYTES = 65_536

GROWING = """(module
  (memory 1)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"""


@pytest.mark.parametrize(("pages", "before"), [(191, 1), (192, -1)])
async def test_a_called_function_gets_three_quarters_of_its_callers_memory(
    pages: int, before: int, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "growing.wat").write_text(GROWING)
    async with ipvm.open(store=Memory(), cache=False) as runtime:
        growing = await runtime.publish(tmp_path / "growing.wat")
        careful = await runtime.load(
            root / "examples" / "06-call" / "careful", memory=256 * PAGE_BYTES
        )
        assert await careful.attempt(growing, "grow", pages, 0) == ["ok", 0, before]
