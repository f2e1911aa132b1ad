"""Calls can be cancelled wherever they are, and there may be thousands of them at once."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import ipvm
from ipvm.ipld import Block, Cid
from ipvm.store import Memory
from ipvm.testing import Gated, Library

Load = Callable[..., Awaitable[ipvm.Program]]
Reading = Callable[[Sequence[Cid]], str]
Calling = Callable[..., str]

ONE = '(module (func (export "one") (result i32) (i32.const 1)))'
SPIN = '(module (func (export "spin") (loop (br 0))))'


async def gated(library: Library) -> Gated:
    return Gated(ipvm.StoreSource(await library.store()))


@pytest.mark.parametrize("profile", ["deterministic", "fast"])
async def test_cancelling_ends_a_guest_that_computes(profile: str, load: Load) -> None:
    library = Library()
    program = await load(library, library.code(SPIN), profile=profile)
    for call in (program.spin, program.spin.receipt):
        with trio.move_on_after(0.02) as scope:
            await call()
        assert scope.cancelled_caught


async def test_cancelling_ends_a_guest_that_waits(reading: Reading) -> None:
    library = Library()
    wanted = library.keep(Block.of(b"wanted"))
    root = library.code(reading([wanted]))
    source = await gated(library)
    async with ipvm.open(store=Memory(), sources=[source]) as node:
        await node.store.put(library.blocks[root])
        program = await node.load(root)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(program.read, 1)
            await wait_all_tasks_blocked()
            assert source.asked == [wanted]
            nursery.cancel_scope.cancel()
        assert source.waiting == 0


async def test_cancelling_ends_functions_that_call_each_other(load: Load, calling: Calling) -> None:
    library = Library()
    last, name = library.code(SPIN), "spin"
    for _ in range(3):
        last, name = library.code(calling(last, name)), "go"
    program = await load(library, last)
    with trio.move_on_after(0.05) as scope:
        await program.go()
    assert scope.cancelled_caught


async def test_a_guest_that_computes_does_not_hold_up_the_loop(load: Load) -> None:
    library = Library()
    spin = await load(library, library.code(SPIN))
    one = await load(library, library.code(ONE))
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(spin.spin)
        for _ in range(20):
            assert await one.one() == 1
        nursery.cancel_scope.cancel()


async def test_two_thousand_calls_at_once_work(load: Load) -> None:
    library = Library()
    program = await load(library, library.code(ONE))
    found = []

    async def call() -> None:
        found.append(await program.one())

    async with trio.open_nursery() as nursery:
        for _ in range(2000):
            nursery.start_soon(call)
    assert found == [1] * 2000


async def test_two_thousand_guests_wait_at_once(reading: Reading) -> None:
    library = Library()
    wanted = library.keep(Block.of(b"wanted"))
    root = library.code(reading([wanted]))
    source = await gated(library)
    found = []
    async with ipvm.open(store=Memory(), sources=[source]) as node:
        await node.store.put(library.blocks[root])
        program = await node.load(root)

        async def call() -> None:
            found.append(await program.read(1))

        async with trio.open_nursery() as nursery:
            for _ in range(2000):
                nursery.start_soon(call)
            await wait_all_tasks_blocked()
            assert found == []
            source.gate.set()
    assert found == [0] * 2000
    assert source.asked == [wanted]
