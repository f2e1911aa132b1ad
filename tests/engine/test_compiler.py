"""Compiling in a child gives what compiling here gives, and whatever it costs, this process lives."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import trio

from ipvm.engine import (
    PROFILES,
    Helper,
    InProcess,
    ModuleSource,
    NotCompiled,
    compile_now,
    engine_for,
    text_to_module,
)
from ipvm.engine.compiler import is_small
from ipvm.errors import LimitExceeded, Refused
from ipvm.limits import Limits
from ipvm.model import Profile
from ipvm.wasm import read_module

ROOMY = Limits(function_bytes_max=2**30)
SEVEN = '(module (func (export "f") (result i32) (i32.const 7)))'


def source(text: str) -> ModuleSource:
    return source_of(text_to_module(text))


def source_of(data: bytes) -> ModuleSource:
    return ModuleSource(code=data[-40:], info=read_module(data, limits=ROOMY), prepare=lambda: data)


def nested(depth: int) -> str:
    """A function in which compilers need memory, and time, that grow with the square of its size."""
    ifs = "".join(
        f"(if (result i32) (i32.eq (local.get 0) (i32.const {n})) (then (i32.const {n})) (else "
        for n in range(depth)
    )
    return f"(module (func (param i32) (result i32) {ifs} (i32.const 0){'))' * depth}))"


def slow() -> str:
    """A module that takes a while to compile, and little memory."""
    body = "".join(
        f"(local.set 0 (i32.rotl (i32.mul (local.get 0) (i32.const {n})) (local.get 0)))"
        for n in range(150)
    )
    return f"(module {f'(func (param i32) {body})' * 1000})"


def images(count: int) -> str:
    """A small module whose memories begin with 16 MiB each of zeros between two bytes."""
    memories = "(memory 257)" * count
    data = "".join(
        f'(data (memory {n}) (i32.const 0) "a")(data (memory {n}) (i32.const 16777000) "b")'
        for n in range(count)
    )
    return f"(module {memories}{data})"


@pytest.fixture
async def helper() -> AsyncIterator[Helper]:
    async with Helper(limits=Limits()) as helper:
        yield helper


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("text", [SEVEN, "(module)", slow()])
async def test_a_child_gives_the_same_machine_code(
    helper: Helper, profile: Profile, text: str
) -> None:
    module = await helper.compile(source(text), profile)
    alone = compile_now(engine_for(profile), text_to_module(text))
    assert module.serialize() == alone.serialize()


@pytest.mark.parametrize(
    "text",
    [
        "(module (func (result i32) nop))",
        "(module (func (br 7)))",
        "(module (memory 1 1 shared))",
        "(module (type (struct (field i32))))",
        "(module (memory i64 1))",
        "(module (func (drop (i32.add (i32.const 1) (i64.const 1)))))",
    ],
)
async def test_a_child_refuses_in_the_same_words(helper: Helper, text: str) -> None:
    messages = []
    for compiler in (InProcess(), helper):
        with pytest.raises(NotCompiled) as caught:
            await compiler.compile(source(text), "deterministic")
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert messages[0].startswith("the engine refuses the module: ")


async def test_text_is_never_assembled(helper: Helper) -> None:
    text = replace(source(SEVEN), prepare=SEVEN.encode)
    for compiler in (InProcess(), helper):
        with pytest.raises(NotCompiled, match="does not begin as WebAssembly does"):
            await compiler.compile(text, "deterministic")


async def test_a_child_is_kept_for_the_next_module(helper: Helper) -> None:
    assert helper.processes == ()
    await helper.compile(source(SEVEN), "deterministic")
    before = helper.processes
    with pytest.raises(NotCompiled):
        await helper.compile(source("(module (func (br 7)))"), "deterministic")
    await helper.compile(source(SEVEN), "fast")
    assert helper.processes == before
    assert len(before) == 1


async def test_several_modules_are_compiled_at_once(helper: Helper) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(2 * (os.cpu_count() or 1)):
            nursery.start_soon(helper.compile, source(SEVEN), "deterministic")
    assert 1 <= len(helper.processes) <= (os.cpu_count() or 1)


async def test_closing_ends_all_children() -> None:
    async with Helper(limits=Limits()) as helper:
        await helper.compile(source(SEVEN), "deterministic")
        (process,) = helper.processes
        assert is_running(process)
    assert not is_running(process)
    assert helper.processes == ()


async def test_too_much_memory_is_refused_by_name() -> None:
    limits = Limits(compile_memory_bytes_max=512 * 1024 * 1024)
    bomb = source(nested(60_000))
    assert bomb.info.size < 2**20
    async with Helper(limits=limits) as helper:
        with trio.fail_after(30), pytest.raises(LimitExceeded) as caught:
            await helper.compile(bomb, "deterministic")
        assert caught.value.limit == "compile_memory_bytes_max"
        assert "--limit" in str(caught.value)
        assert helper.processes == ()
        await helper.compile(source(SEVEN), "deterministic")


async def test_a_child_that_has_too_little_memory_to_begin_tells_its_last_words() -> None:
    async with Helper(limits=Limits(compile_memory_bytes_max=1024 * 1024)) as helper:
        with pytest.raises(Refused, match="Resource temporarily unavailable"):
            await helper.compile(source(SEVEN), "deterministic")


async def test_too_much_time_is_refused_by_name() -> None:
    async with Helper(limits=Limits(compile_seconds_max=1)) as helper:
        with trio.fail_after(30), pytest.raises(LimitExceeded) as caught:
            await helper.compile(source(nested(15_000)), "deterministic")
        assert caught.value.limit == "compile_seconds_max"
        assert helper.processes == ()


async def test_each_module_has_the_whole_time() -> None:
    async with Helper(limits=Limits(compile_seconds_max=2)) as helper:
        for _ in range(4):
            await helper.compile(source(nested(3000)), "deterministic")


async def test_a_small_module_may_have_too_much_machine_code() -> None:
    large = source(images(3))
    assert large.info.size < 100
    async with Helper(limits=Limits(artifact_bytes_max=20 * 1024 * 1024)) as helper:
        with pytest.raises(LimitExceeded) as caught:
            await helper.compile(large, "deterministic")
        assert caught.value.limit == "artifact_bytes_max"
        assert caught.value.found is not None
        assert caught.value.found > 3 * 16 * 1024 * 1024


async def test_the_size_of_machine_code_is_met_at_its_value() -> None:
    size = compile_now(engine_for("deterministic"), text_to_module(SEVEN)).size
    async with Helper(limits=Limits(artifact_bytes_max=size)) as helper:
        await helper.compile(source(SEVEN), "deterministic")
    async with Helper(limits=Limits(artifact_bytes_max=size - 1)) as helper:
        with pytest.raises(LimitExceeded):
            await helper.compile(source(SEVEN), "deterministic")


async def kill_children(helper: Helper, count: int) -> None:
    """Kill so many children, one after the other, as soon as they appear."""
    killed: set[int] = set()
    while len(killed) < count:
        for process in set(helper.processes) - killed:
            os.kill(process, signal.SIGKILL)
            killed.add(process)
        await trio.lowlevel.checkpoint()


async def test_a_child_that_is_killed_is_replaced_once(helper: Helper) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kill_children, helper, 1)
        module = await helper.compile(source(slow()), "deterministic")
    assert module.size


async def test_a_child_that_is_killed_while_it_waits_is_replaced(helper: Helper) -> None:
    await helper.compile(source(SEVEN), "deterministic")
    (before,) = helper.processes
    os.kill(before, signal.SIGKILL)
    await helper.compile(source(SEVEN), "deterministic")
    (after,) = helper.processes
    assert after != before


async def test_a_module_that_two_children_die_of_is_refused(helper: Helper) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kill_children, helper, 2)
        with pytest.raises(
            Refused, match=r"two processes died while it compiled: SIGKILL; SIGKILL"
        ):
            await helper.compile(source(slow()), "deterministic")
    assert helper.processes == ()


async def test_cancelling_ends_the_child(helper: Helper) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(helper.compile, source(nested(10_000)), "deterministic")
        while not helper.processes:
            await trio.lowlevel.checkpoint()
        (process,) = helper.processes
        nursery.cancel_scope.cancel()
    assert helper.processes == ()
    assert not is_running(process)


PARENT = """
import os, sys, trio
from ipvm.engine import Helper, ModuleSource
from ipvm.limits import Limits
from ipvm.wasm import read_module

data = sys.stdin.buffer.read()

async def main():
    async with Helper(limits=Limits()) as helper, trio.open_nursery() as nursery:
        info = read_module(data, limits=Limits(function_bytes_max=2**30))
        source = ModuleSource(code=b"", info=info, prepare=lambda: data)
        nursery.start_soon(helper.compile, source, "deterministic")
        while not helper.processes:
            await trio.lowlevel.checkpoint()
        print(*helper.processes, flush=True)
        os.kill(os.getpid(), 9)

trio.run(main)
"""


async def test_a_child_does_not_outlive_its_parent() -> None:
    done = await trio.run_process(
        [sys.executable, "-c", PARENT],
        stdin=text_to_module(nested(10_000)),
        capture_stdout=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    with trio.fail_after(10):
        while is_running(int(done.stdout)):
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("text", "small"),
    [
        (SEVEN, True),
        (images(1), True),
        (images(2), False),
        ("(module (memory 1) (memory 1))", True),
        ("(module (table 9 funcref) (table 9 funcref) (func $f) (elem (i32.const 0) $f))", False),
        (f"(module {'(func)' * 1000})", True),
        (f"(module {'(func)' * 1001})", False),
        (f"(module (func {'nop ' * 16_382}))", True),
        (f"(module (func {'nop ' * 16_383}))", False),
        (f'(module (data "{"x" * 65_000}"))', True),
        (f'(module (data "{"x" * 65_536}"))', False),
    ],
)
def test_only_what_is_cheap_whatever_is_in_it_counts_as_small(text: str, *, small: bool) -> None:
    assert is_small(source(text).info) is small
