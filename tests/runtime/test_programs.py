"""Programs are fetched, linked and compiled once, however many ask and whatever goes wrong."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import ipvm
from ipvm.errors import IpvmError, NotFound, Unavailable
from ipvm.exchange import Offline, Source
from ipvm.ipld import BlockMismatch, BlockNotFound, Cid
from ipvm.limits import Limits
from ipvm.store import Memory
from ipvm.testing import Failing, Gated, Library, Lying

ONE = '(module (func (export "one") (result i32) (i32.const 1)))'


def linked(library: Library) -> Cid:
    leaf = library.manifest(ONE)
    text = '(module (import "leaf" "one" (func $one (result i32))) (export "one" (func $one)))'
    return library.manifest(text, {"leaf": leaf})


@asynccontextmanager
async def behind(source: Source, **limits: int) -> AsyncIterator[ipvm.Node]:
    """A node with an empty store and that source."""
    async with ipvm.open(store=Memory(), sources=[source], limits=Limits(**limits)) as node:
        yield node


async def gated(library: Library) -> Gated:
    return Gated(ipvm.StoreSource(await library.store()))


async def test_a_program_comes_from_a_source_and_is_kept() -> None:
    library = Library()
    root = linked(library)
    async with behind(ipvm.StoreSource(await library.store())) as node:
        assert await (await node.load(root)).one() == 1
        for cid in library.blocks:
            assert await node.store.has(cid)


async def test_many_who_load_the_same_program_share_one_load() -> None:
    library = Library()
    root = linked(library)
    source = await gated(library)
    found = []
    async with behind(source) as node, trio.open_nursery() as nursery:

        async def call() -> None:
            program = await node.load(root)
            found.append((await program.one(), program._loaded))

        for _ in range(200):
            nursery.start_soon(call)
        await wait_all_tasks_blocked()
        assert source.asked == [root]
        source.gate.set()
    assert [value for value, _ in found] == [1] * 200
    assert len({id(loaded) for _, loaded in found}) == 1
    assert sorted(source.asked) == sorted(library.blocks)


async def test_many_who_wait_for_a_program_share_its_failure_and_the_next_may_have_luck() -> None:
    library = Library()
    root = linked(library)
    source = Gated(Offline())
    failures: list[IpvmError] = []
    async with behind(source) as node:

        async def load() -> None:
            with pytest.raises(BlockNotFound) as caught:
                await node.load(root)
            failures.append(caught.value)

        async with trio.open_nursery() as nursery:
            for _ in range(200):
                nursery.start_soon(load)
            await wait_all_tasks_blocked()
            source.gate.set()
        assert len(failures) == 200
        assert source.asked == [root]
        await node.store.put_many(list(library.blocks.values()))
        assert await (await node.load(root)).one() == 1


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_one_who_stops_waiting_for_a_program_does_not_stop_the_others(
    cancelled: int,
) -> None:
    library = Library()
    root = linked(library)
    source = await gated(library)
    scopes = [trio.CancelScope() for _ in range(3)]
    found = []
    async with behind(source) as node, trio.open_nursery() as nursery:

        async def load(scope: trio.CancelScope) -> None:
            with scope:
                found.append(await (await node.load(root)).one())

        for scope in scopes:
            nursery.start_soon(load, scope)
        await wait_all_tasks_blocked()
        scopes[cancelled].cancel()
        await wait_all_tasks_blocked()
        source.gate.set()
    assert found == [1, 1]


async def test_a_load_that_everyone_gave_up_can_be_tried_again() -> None:
    library = Library()
    root = linked(library)
    source = await gated(library)
    async with behind(source) as node:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.load, root)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert source.waiting == 0
        source.gate.set()
        assert await (await node.load(root)).one() == 1


@pytest.mark.parametrize(
    ("source", "condition"),
    [
        (Lying(), BlockMismatch),
        (Failing(Unavailable("nobody answered")), Unavailable),
        (Failing(BlockNotFound(Cid.of(b""))), NotFound),
        (Offline(), NotFound),
    ],
)
async def test_what_a_source_does_wrong_is_one_of_our_errors(
    source: Source, condition: type[IpvmError]
) -> None:
    library = Library()
    root = linked(library)
    store = Memory()
    async with ipvm.open(store=store, sources=[source]) as node:
        with pytest.raises(condition):
            await node.load(root)
        assert (await store.statistics()).blocks == 0
        await store.put(library.blocks[root])
        with pytest.raises(condition):
            await node.load(root)


async def test_fetches_are_bounded() -> None:
    library = Library()
    leaves = {f"l{n}": library.manifest(ONE.replace("1)", f"{n})")) for n in range(30)}
    text = "".join(f'(import "{name}" "one" (func (result i32)))' for name in leaves)
    root = library.manifest(f"(module {text})", leaves)
    source = await gated(library)
    async with behind(source, fetches_max=4) as node, trio.open_nursery() as nursery:
        nursery.start_soon(node.load, root)
        await wait_all_tasks_blocked()
        source.gate.set()
    assert source.waiting_max == 4


async def test_offline_asks_no_source() -> None:
    library = Library()
    root = linked(library)
    source = await gated(library)
    async with ipvm.open(store=Memory(), sources=[source], offline=True) as node:
        with pytest.raises(NotFound, match="offline"):
            await node.load(root)
    assert source.asked == []


async def test_the_least_recently_used_program_goes_first() -> None:
    library = Library()
    roots = [library.manifest(ONE.replace("1)", f"{n})")) for n in range(4)]
    store = await library.store()
    async with ipvm.open(store=store, limits=Limits(loaded_programs_max=2)) as node:
        programs = [await node.load(root) for root in roots[:2]]
        await node.load(roots[0])
        await node.load(roots[2])
        known = node._runtime._programs
        assert known.loaded(roots[1], "deterministic") is None
        assert known.loaded(roots[0], "deterministic") is programs[0]._loaded
        assert await programs[1].one() == 1
        assert [await (await node.load(root)).one() for root in roots] == [0, 1, 2, 3]


async def test_a_module_is_compiled_once_for_all_programs_that_are_loaded(node: ipvm.Node) -> None:
    library = Library()
    leaf = library.manifest(ONE)
    text = '(module ${} (import "leaf" "one" (func $one (result i32))) (export "one" (func $one)))'
    roots = [library.manifest(text.format(name), {"leaf": leaf}) for name in ("a", "b")]
    await node.store.put_many(list(library.blocks.values()))
    programs = [await node.load(root) for root in roots]
    first, second = (program._loaded.program.modules[0] for program in programs)
    assert first is second
    fast = await node.load(roots[0], profile="fast")
    assert fast._loaded.program.modules[0] is not first


def large() -> str:
    """A module that takes a while to compile."""
    body = "".join(
        f"(local.set 0 (i32.rotl (i32.mul (local.get 0) (i32.const {n})) (local.get 0)))"
        for n in range(150)
    )
    return "(module " + f"(func (param i32) {body})" * 600 + ONE.removeprefix("(module ")


async def test_cancelling_does_not_wait_for_the_compiler() -> None:
    library = Library()
    root = library.file(library.blocks[library.code(large())].data)
    async with ipvm.open(store=await library.store(), cache=False) as node:
        begin = time.perf_counter()
        await node.load(root)
        whole = time.perf_counter() - begin
    async with ipvm.open(store=await library.store(), cache=False) as node:
        begin = time.perf_counter()
        with trio.move_on_after(whole / 10) as scope:
            await node.load(root)
        assert scope.cancelled_caught
        assert time.perf_counter() - begin < whole * 2 / 3
        assert await (await node.load(root)).one() == 1


async def test_functions_that_are_called_by_cid_are_loaded_once() -> None:
    calls = 100
    library = Library()
    inner = library.manifest(ONE)
    text = """(module
      (import "ipvm" "call" (func $call (param i32 i32 i32 i32 i32 i32 i64) (result i32)))
      (memory (export "memory") 1) (data (i32.const 64) "{}") (data (i32.const 512) "one")
      (func (export "go") (result i32)
        (call $call (i32.const 0) (i32.const 64) (i32.const 512) (i32.const 3)
          (i32.const 0) (i32.const 0) (i64.const 0))))"""
    root = library.code(text.format("".join(f"\\{byte:02x}" for byte in bytes(inner))))
    source = await gated(library)
    found = []
    async with ipvm.open(store=Memory(), sources=[source]) as node:
        await node.store.put(library.blocks[root])
        program = await node.load(root)

        async def call() -> None:
            found.append(await program.go())

        async with trio.open_nursery() as nursery:
            for _ in range(calls):
                nursery.start_soon(call)
            await wait_all_tasks_blocked()
            source.gate.set()
    assert found == [0] * calls
    assert len(source.asked) == len(set(source.asked)) == 2


async def test_functions_that_call_what_is_nowhere_learn_it_together(
    calling: Callable[..., str],
) -> None:
    library = Library()
    root = library.code(calling(Cid(Cid.of(b"absent").digest, codec=0x71), "f"))
    source = Gated(Offline())
    found = []
    async with behind(source) as node:
        await node.store.put(library.blocks[root])
        program = await node.load(root)

        async def call() -> None:
            found.append(await program.go())

        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(call)
            await wait_all_tasks_blocked()
            source.gate.set()
    assert len(found) == 100
    assert len({*found}) == len(source.asked) == 1


async def test_it_can_be_seen_how_far_compiling_is() -> None:
    library = Library()
    slow = f"(module {'(func)' * 30_000} {ONE[len('(module') :]}"
    root = library.manifest(
        '(module (import "leaf" "one" (func $one (result i32))) (export "one" (func $one)))',
        {"leaf": library.code(slow)},
    )
    async with ipvm.open(store=await library.store(), cache=False) as node:
        seen = {node.compiling}

        async def watch() -> None:
            while True:
                seen.add(node.compiling)
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await node.load(root)
            nursery.cancel_scope.cancel()
        assert seen - {(2, 2)} == {None, (0, 2), (1, 2)}
        assert node.compiling is None


async def test_compiling_that_is_cancelled_is_over() -> None:
    library = Library()
    root = library.code(f"(module {'(func)' * 30_000})")
    async with ipvm.open(store=await library.store(), cache=False) as node:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.load, root)
            while node.compiling is None:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert node.compiling is None
