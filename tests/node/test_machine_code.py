"""What a node compiles, it compiles within limits, and finds again when it is opened anew."""

import os
from pathlib import Path

import pytest
import trio

import ipvm
from ipvm.engine import selftest
from ipvm.errors import LimitExceeded
from ipvm.limits import Limits
from ipvm.store import Memory
from ipvm.testing import Library

SEVEN = '(module (func (export "seven") (result i32) (i32.const 7)))'
LARGE = f'(module {"(func)" * 5000} (func (export "seven") (result i32) (i32.const 7)))'


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cache that nobody else uses, and that what the process itself needs is not in."""
    selftest.require()
    monkeypatch.setenv("IPVM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def artifacts(cache: Path) -> dict[str, int]:
    return {file.name: file.stat().st_ino for file in cache.rglob("*.cwasm")}


async def seven(library: Library, code: ipvm.Cid, *, cache: bool = True) -> object:
    async with ipvm.open(store=await library.store(), cache=cache) as node:
        return await (await node.load(code)).seven()


@pytest.mark.parametrize("text", [SEVEN, LARGE])
async def test_machine_code_is_kept_for_the_next_node(text: str, cache: Path) -> None:
    library = Library()
    code = library.code(text)
    assert await seven(library, code) == 7
    kept = artifacts(cache)
    assert len(kept) == 1
    assert await seven(library, code) == 7
    assert artifacts(cache) == kept  # the same file: nothing was compiled and written again


@pytest.mark.parametrize("text", [SEVEN, LARGE])
async def test_a_node_without_a_cache_keeps_nothing(text: str, cache: Path) -> None:
    library = Library()
    assert await seven(library, library.code(text), cache=False) == 7
    assert artifacts(cache) == {}


async def test_a_bomb_is_refused_with_its_limit_and_its_module(cache: Path) -> None:
    library = Library()
    ifs = "(if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1)) (else "
    body = f"{ifs * 60_000} (i32.const 0){'))' * 60_000}"
    bomb = library.code(f"(module (func (param i32) (result i32) {body}))")
    limits = Limits(function_bytes_max=2**20, compile_memory_bytes_max=2**29)
    async with ipvm.open(store=await library.store(), limits=limits) as node:
        with pytest.raises(LimitExceeded, match=str(bomb)) as caught:
            await node.load(bomb)
        assert caught.value.limit == "compile_memory_bytes_max"
        good = await node.put(library.blocks[library.code(SEVEN)].data)
        assert await (await node.load(good)).seven() == 7
    assert len(artifacts(cache)) == 1


async def test_the_machine_code_of_a_program_is_bounded(cache: Path) -> None:
    library = Library()
    leaf = library.manifest('(module (func (export "one") (result i32) (i32.const 1)))')
    text = """(module (import "leaf" "one" (func $one (result i32)))
      (func (export "seven") (result i32) (i32.add (call $one) (i32.const 6))))"""
    root = library.manifest(text, {"leaf": leaf})
    async with ipvm.open(store=await library.store()) as node:
        program = await node.load(root)
        size = program._loaded.program.machine_code_bytes
    for bytes_max in (size, size - 1):
        limits = Limits(program_artifact_bytes_max=bytes_max)
        async with ipvm.open(store=await library.store(), limits=limits) as node:
            if bytes_max == size:
                assert await (await node.load(root)).seven() == 7
                continue
            with pytest.raises(LimitExceeded) as caught:
                await node.load(root)
            assert caught.value.limit == "program_artifact_bytes_max"
    assert len(artifacts(cache)) == 2


async def test_two_nodes_share_what_they_compile(cache: Path) -> None:
    library = Library()
    code = library.code(SEVEN)
    store = Memory()
    await store.put_many(list(library.blocks.values()))
    async with ipvm.open(store=store) as first, ipvm.open(store=store) as second:
        assert await (await first.load(code)).seven() == 7
        kept = artifacts(cache)
        assert await (await second.load(code)).seven() == 7
        assert artifacts(cache) == kept


def children() -> set[str]:
    """The processes that this one has started."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {number for task in tasks for number in task.read_text().split()}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system does not tell")
@pytest.mark.usefixtures("cache")
async def test_children_compile_a_program_together_and_stay_as_long_as_the_node() -> None:
    library = Library()
    functions = "(func)" * 20_000
    leaves = {
        f"l{number}": library.code(
            f'(module {functions} (func (export "f") (result i32) (i32.const {number})))'
        )
        for number in range(3)
    }
    imports = "".join(f'(import "{name}" "f" (func (result i32)))' for name in leaves)
    root = library.manifest(f"(module {imports})", leaves)
    before = children()
    async with ipvm.open(store=await library.store()) as node:
        at_once = {0}

        async def watch() -> None:
            while True:
                at_once.add(len(children() - before))
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await node.load(root)
            nursery.cancel_scope.cancel()
        processors = os.cpu_count() or 1
        assert max(at_once) == min(processors, 3)
        kept = children() - before
        assert len(kept) == min(processors, 3)
        await node.load(root, profile="fast")
        assert children() - before == kept
    assert children() == before
