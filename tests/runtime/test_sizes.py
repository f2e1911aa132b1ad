"""Values may be as large as a block; records that hold them are blocks too."""

from collections.abc import Awaitable, Callable

import pytest

import ipvm
from ipvm.errors import LimitExceeded
from ipvm.ipld import Block, Cid
from ipvm.limits import BLOCK_BYTES_MAX
from ipvm.model import Type
from ipvm.testing import Library

Load = Callable[..., Awaitable[ipvm.Program]]
Calling = Callable[..., str]


def opening(cid: Cid, *, times: int) -> tuple[str, dict[str, ipvm.Signature]]:
    """Code that opens a block and gives it so many times, and its signature."""
    data = "".join(f"\\{byte:02x}" for byte in bytes(cid))
    text = f"""(module
      (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 64) "{data}")
      (func (export "f") (result {"i32 " * times})
        (drop (call $open (i32.const 0) (i32.const 64)))
        {"(i32.load (i32.const 8))" * times}))"""
    results: list[Type] = ["bytes"] * times
    return text, {"f": ipvm.Signature(params=(), results=tuple(results))}


async def test_a_receipt_that_is_too_large_for_a_block_is_refused_and_the_call_is_not(
    load: Load,
) -> None:
    library = Library()
    text = '(module (func (export "f") (param i32) (result i32) (local.get 0)))'
    exports = {"f": ipvm.Signature(params=("bytes",), results=("bytes",))}
    program = await load(library, library.manifest(text, exports=exports))
    assert await program.f(bytes(BLOCK_BYTES_MAX)) == bytes(BLOCK_BYTES_MAX)
    with pytest.raises(LimitExceeded, match=r"block_bytes is 4194304 .*the arguments"):
        await program.f.receipt(bytes(BLOCK_BYTES_MAX))
    fits = bytes(BLOCK_BYTES_MAX - 500)
    assert (await program.f.receipt(fits)).value == fits


async def test_a_result_that_is_too_large_for_a_record_is_refused(load: Load) -> None:
    library = Library()
    large = library.keep(Block.of(bytes(BLOCK_BYTES_MAX)))
    text, exports = opening(large, times=1)
    program = await load(library, library.manifest(text, exports=exports))
    assert await program.f() == bytes(BLOCK_BYTES_MAX)
    with pytest.raises(LimitExceeded, match=r"block_bytes is 4194304 .*the result"):
        await program.f.receipt()


async def test_results_that_are_larger_than_a_block_together_go_to_no_other_function(
    load: Load, calling: Calling
) -> None:
    library = Library()
    large = library.keep(Block.of(bytes(BLOCK_BYTES_MAX)))
    text, exports = opening(large, times=2)
    inner = library.manifest(text, exports=exports)
    program = await load(library, library.code(calling(inner, "f")))
    assert await program.go() == 4
    assert (await program.go.receipt()).value == 4
