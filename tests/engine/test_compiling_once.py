"""A module is compiled once, by the compiler that is for it, however many ask and when."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from ipvm.engine import (
    ArtifactCache,
    BySize,
    Cached,
    CompiledModule,
    Compiler,
    InProcess,
    ModuleSource,
    NotCompiled,
    text_to_module,
)
from ipvm.model import Profile
from ipvm.wasm import InvalidModule, read_module

SMALL = '(module (func (export "f") (result i32) (i32.const 7)))'
LARGE = f"(module {'(func)' * 5000})"


def source(text: str) -> ModuleSource:
    data = text_to_module(text)
    return ModuleSource(code=data[-40:], info=read_module(data), prepare=lambda: data)


def kept(folder: Path) -> list[Path]:
    return list(folder.glob("*.cwasm"))


class Counting:
    """Counts what another compiler is asked for, and may be held up."""

    def __init__(self, compiler: Compiler) -> None:
        self.asked = 0
        self.gate = trio.Event()
        self.gate.set()
        self._compiler = compiler

    async def compile(self, source: ModuleSource, profile: Profile) -> CompiledModule:
        self.asked += 1
        await self.gate.wait()
        return await self._compiler.compile(source, profile)


@pytest.fixture
def counting() -> Counting:
    return Counting(InProcess())


@pytest.fixture
def open_cache(tmp_path: Path, counting: Counting) -> Callable[[], Cached]:
    """Opens the cache as each process does."""
    return lambda: Cached(counting, ArtifactCache(tmp_path, bytes_max=2**30))


async def test_small_and_large_modules_go_their_ways(counting: Counting) -> None:
    large = Counting(InProcess())
    compiler = BySize(small=counting, large=large)
    await compiler.compile(source(SMALL), "deterministic")
    assert (counting.asked, large.asked) == (1, 0)
    await compiler.compile(source(LARGE), "deterministic")
    assert (counting.asked, large.asked) == (1, 1)


@pytest.mark.parametrize("text", [SMALL, LARGE])
async def test_what_was_compiled_once_is_never_compiled_again(
    text: str, open_cache: Callable[[], Cached], counting: Counting
) -> None:
    modules = [await open_cache().compile(source(text), "deterministic") for _ in range(3)]
    assert counting.asked == 1
    assert len({bytes(module.serialize()) for module in modules}) == 1


async def test_each_profile_has_machine_code_of_its_own(
    open_cache: Callable[[], Cached], counting: Counting
) -> None:
    for _ in range(2):
        await open_cache().compile(source(SMALL), "deterministic")
        await open_cache().compile(source(SMALL), "fast")
    assert counting.asked == 2


async def test_what_is_kept_need_not_be_prepared(open_cache: Callable[[], Cached]) -> None:
    def prepare() -> bytes:
        raise InvalidModule("it was prepared again")

    known = source(SMALL)
    await open_cache().compile(known, "deterministic")
    again = ModuleSource(code=known.code, info=known.info, prepare=prepare)
    await open_cache().compile(again, "deterministic")


async def test_those_who_ask_together_share_one_compilation(
    open_cache: Callable[[], Cached], counting: Counting
) -> None:
    cache = open_cache()
    counting.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(cache.compile, source(SMALL), "deterministic")
        await wait_all_tasks_blocked()
        counting.gate.set()
    assert counting.asked == 1


async def test_who_waits_goes_on_when_the_one_that_compiles_is_cancelled(
    open_cache: Callable[[], Cached], counting: Counting
) -> None:
    cache = open_cache()
    counting.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()

        async def compile_until_cancelled() -> None:
            with first:
                await cache.compile(source(SMALL), "deterministic")

        nursery.start_soon(compile_until_cancelled)
        await wait_all_tasks_blocked()
        nursery.start_soon(cache.compile, source(SMALL), "deterministic")
        await wait_all_tasks_blocked()
        first.cancel()
        await wait_all_tasks_blocked()
        counting.gate.set()
    assert counting.asked == 2


async def test_a_refusal_is_not_kept(
    open_cache: Callable[[], Cached], counting: Counting, tmp_path: Path
) -> None:
    for _ in range(2):
        with pytest.raises(NotCompiled):
            await open_cache().compile(source("(module (func (br 7)))"), "deterministic")
    assert counting.asked == 2
    assert kept(tmp_path) == []


@pytest.mark.parametrize("text", [SMALL, LARGE])
async def test_a_damaged_artifact_is_made_anew(
    text: str, open_cache: Callable[[], Cached], counting: Counting, tmp_path: Path
) -> None:
    await open_cache().compile(source(text), "deterministic")
    (file,) = kept(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    await open_cache().compile(source(text), "deterministic")
    assert counting.asked == 2
    assert file.read_bytes() == whole


async def test_where_nothing_can_be_kept_modules_are_compiled(
    tmp_path: Path, counting: Counting
) -> None:
    (tmp_path / "file").touch()
    cache = Cached(counting, ArtifactCache(tmp_path / "file", bytes_max=2**30))
    for _ in range(2):
        assert (await cache.compile(source(SMALL), "deterministic")).size
    assert counting.asked == 2
