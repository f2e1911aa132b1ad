"""Guests that are held are counted by the mappings of memory that they take, whatever becomes of them."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Final

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import ipvm
from ipvm.engine import mappings
from ipvm.errors import LimitExceeded
from ipvm.ipld import Block, Cid
from ipvm.testing import Gated, Library
from ipvm.testing.sources import Failing

Load = Callable[..., Awaitable[ipvm.Program]]
Reading = Callable[..., str]
Calling = Callable[..., str]

EACH: Final = 8
"""What a guest with one memory takes, and the host for it."""
LIMIT_EXCEEDED: Final = 3
RUNS: Final = 5
"""Times that a guest is run before it is held."""


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the process have room for so many guests."""

    def room(guests: int) -> None:
        held = mappings._held
        monkeypatch.setattr(mappings, "mappings_max", lambda: held + EACH * guests)

    return room


@pytest.mark.parametrize("guests", [1, 3])
async def test_one_session_too_many_is_refused_until_another_is_closed(
    guests: int, room: Callable[[int], None], load: Load, reading: Reading
) -> None:
    library = Library()
    program = await load(library, library.code(reading([library.keep(Block.of(b""))])))
    room(guests)
    for _ in range(2):
        async with AsyncExitStack() as stack:
            for _ in range(guests):
                await stack.enter_async_context(program.session())
            with pytest.raises(LimitExceeded, match="mappings"):
                await stack.enter_async_context(program.session())


async def test_a_called_function_that_cannot_be_held_is_an_error_of_the_call_and_gives_no_receipt(
    room: Callable[[int], None], load: Load, calling: Calling
) -> None:
    """Its caller is told at once, and does not stand in line with what it holds itself."""
    library = Library()
    spins = library.code(
        """(module (memory 1) (func (export "spin") (local $n i32) (loop $again
          (br_if $again (i32.lt_u (i32.const 0) (local.tee $n
            (i32.and (i32.add (local.get $n) (i32.const 1)) (i32.const 0xfffff))))))))"""
    )
    program = await load(library, library.code(calling(spins, "spin")))
    assert await program.go() == 0
    room(0)
    assert await program.go() == 1000 * LIMIT_EXCEEDED
    with pytest.raises(LimitExceeded, match="mappings"):
        await program.go.receipt()
    room(1)
    assert await program.go() == 0


@pytest.mark.parametrize("waits", [1, 6])
@pytest.mark.parametrize("end", ["cancel", "answer", "trap"])
async def test_nothing_is_held_when_guests_are_gone(waits: int, end: str, reading: Reading) -> None:
    """Those that were only run again, and those that were held."""
    library = Library()
    present = [library.keep(Block.of(b"%d" % number)) for number in range(waits - 1)]
    text = reading([Cid.of(b"absent"), *present])  # the last is opened first
    if end == "trap":
        text = text.replace("(return (local.get $last))", "(unreachable)")
    store = await library.store()
    root = library.code(text)
    source = Gated(Failing(ipvm.Unavailable("nobody is there")))
    before = mappings._held
    async with ipvm.open(store=store, sources=[source]) as node:
        await store.put_many(list(library.blocks.values()))
        program = await node.load(root)

        async def call() -> None:
            with suppress(ipvm.GuestError):
                await program.all()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await wait_all_tasks_blocked()
            assert source.waiting == 1
            held = mappings._held - before
            assert held == (EACH if waits > RUNS else 0)
            if end == "cancel":
                nursery.cancel_scope.cancel()
            source.gate.set()
    assert mappings._held == before


@pytest.mark.parametrize("memories", [100, 101])
async def test_a_program_of_many_memories_is_counted_even_for_a_moment(
    memories: int, room: Callable[[int], None], load: Load
) -> None:
    """A call of one with few takes so little for so short that there is room for it."""
    library = Library()
    text = f"""(module (import "other" "g" (func)) {"(memory 1)" * 99}
      (func (export "f") (result i32) (i32.load (i32.const 0))))"""
    other = library.code(f"""(module {"(memory 1)" * (memories - 99)} (func (export "g")))""")
    program = await load(library, library.manifest(text, imports={"other": other}))
    room(1)
    if memories > 100:
        with pytest.raises(LimitExceeded, match="mappings"):
            await program.f()
    else:
        assert await program.f() == 0
