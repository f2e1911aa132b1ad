"""Large programs work: long chains, wide fans, and both."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

import ipvm
from ipvm.ipld import Cid
from ipvm.testing import Library

Opened = Callable[..., AbstractAsyncContextManager[ipvm.Program]]

LINK = """(module (import "next" "f" (func $next (result i64)))
  (func (export "f") (result i64) (i64.add (call $next) (i64.const {}))))"""
LEAF = '(module (func (export "f") (result i64) (i64.const {})))'


def chain(library: Library, length: int) -> Cid:
    last = library.manifest(LEAF.format(0))
    for number in range(1, length):
        last = library.manifest(LINK.format(number), {"next": last})
    return last


def fan(library: Library, width: int) -> Cid:
    """A root that adds up `width - 1` leaves."""
    names = [f"n{number}" for number in range(1, width)]
    leaves = {name: library.manifest(LEAF.format(name[1:])) for name in names}
    imports = "".join(f'(import "{name}" "f" (func ${name} (result i64)))' for name in names)
    total = "".join(f"(i64.add (call ${name}))" for name in names)
    text = f'(module {imports} (func (export "f") (result i64) (i64.const 0) {total}))'
    return library.manifest(text, leaves)


@pytest.mark.parametrize("shape", [chain, fan])
@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.slow)])
async def test_a_closure_of_many_modules_works(
    shape: Callable[[Library, int], Cid], count: int, opened: Opened
) -> None:
    library = Library()
    async with opened(library, shape(library, count)) as program:
        assert await program.f() == sum(range(count))
        receipt = await program.f.receipt()
        assert receipt.value == sum(range(count))


@pytest.mark.slow
async def test_five_thousand_memories_work(opened: Opened) -> None:
    library = Library()
    last = library.manifest('(module (memory 0) (func (export "f") (result i64) (i64.const 0)))')
    for number in range(1, 5000):
        text = LINK.format(number).replace("(func (export", "(memory 0) (func (export")
        last = library.manifest(text, {"next": last})
    async with opened(library, last) as program:
        assert await program.f() == sum(range(5000))


async def test_one_more_than_the_limit_is_refused_and_the_limit_can_be_raised() -> None:
    library = Library()
    root = chain(library, 30)
    store = await library.store()
    async with ipvm.open(store=store, limits=ipvm.Limits(closure_modules_max=29)) as node:
        with pytest.raises(ipvm.LimitExceeded, match=r"closure_modules_max is 29; raise it with"):
            await node.load(root)
    async with ipvm.open(store=store, limits=ipvm.Limits(closure_modules_max=30)) as node:
        assert await (await node.load(root)).f() == sum(range(30))
