"""A store bounds what its guests take, and gives everything back when it is closed."""

import contextlib
import gc
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from ipvm.engine import (
    Assembly,
    EngineFault,
    Part,
    Store,
    StoreBounds,
    Trap,
    compile_now,
    engine_for,
    text_to_module,
)

if TYPE_CHECKING:
    from tests.engine.conftest import Guest, TwoFunctions

OpenGuest = Callable[..., "Guest"]
MakeHost = type["TwoFunctions"]

PAGE = 65_536
FUEL = 10**12
BOUNDS = StoreBounds(memory_bytes=3 * PAGE, table_elements=10, instances=2, tables=2, memories=2)

GROWING = """(module
  (memory (export "memory") 1)
  (table $t 1 funcref)
  (func (export "grow_memory") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "grow_table") (param i32) (result i32)
    (table.grow $t (ref.null func) (local.get 0))))"""


def raw_instance(store: Store, text: str) -> None:
    module = compile_now(store.engine, text_to_module(text))
    Assembly(store.engine, [Part(module)]).build(store)


@pytest.mark.parametrize("profile", ["deterministic", "fast"])
async def test_a_memory_grows_up_to_the_bound_and_no_further(
    open_guest: OpenGuest, profile: str
) -> None:
    guest = open_guest(GROWING, bounds=BOUNDS, profile=profile)
    assert await guest.call("grow_memory", 3) == (-1,)
    assert await guest.call("grow_memory", 2) == (1,)
    assert await guest.call("grow_memory", 0) == (3,)
    assert await guest.call("grow_memory", 1) == (-1,)
    assert await guest.call("grow_memory", -1) == (-1,)


async def test_a_bound_that_is_no_whole_page_is_rounded_down(open_guest: OpenGuest) -> None:
    guest = open_guest(GROWING, bounds=BOUNDS._replace(memory_bytes=3 * PAGE - 1))
    assert await guest.call("grow_memory", 2) == (-1,)
    assert await guest.call("grow_memory", 1) == (1,)


async def test_a_table_grows_up_to_the_bound_and_no_further(open_guest: OpenGuest) -> None:
    guest = open_guest(GROWING, bounds=BOUNDS)
    assert await guest.call("grow_table", 10) == (-1,)
    assert await guest.call("grow_table", 9) == (1,)
    assert await guest.call("grow_table", 1) == (-1,)
    assert await guest.call("grow_table", -1) == (-1,)


@pytest.mark.parametrize(
    "text",
    [
        "(module (memory 4))",
        "(module (table 11 funcref))",
        "(module (memory 1) (memory 1) (memory 1))",
        "(module (table 1 funcref) (table 1 funcref) (table 1 funcref))",
        f"(module {'(memory 65536)' * 100})",
    ],
)
def test_a_module_that_starts_out_of_bounds_is_refused(open_guest: OpenGuest, text: str) -> None:
    with pytest.raises(EngineFault):
        open_guest(text, bounds=BOUNDS)


def test_instances_are_counted(open_guest: OpenGuest) -> None:
    store = open_guest("(module)", bounds=BOUNDS, enter=False).store
    raw_instance(store, "(module)")
    with pytest.raises(EngineFault, match="instance"):
        raw_instance(store, "(module)")


def test_a_hundred_memories_of_four_gigabytes_are_only_addresses(open_guest: OpenGuest) -> None:
    bounds = StoreBounds(memory_bytes=2**32, table_elements=0, instances=1, tables=0, memories=100)
    before = resident_bytes()
    with contextlib.suppress(EngineFault):  # where address space is bounded
        open_guest(f"(module {'(memory 65536)' * 100})", bounds=bounds)
    assert resident_bytes() - before < 100 * 1024 * 1024


@pytest.mark.parametrize(
    ("segment", "code"),
    [
        ('(memory 1) (data (i32.const 65536) "x")', "memory-out-of-bounds"),
        ("(table 1 funcref) (elem (i32.const 1) $f) (func $f)", "table-out-of-bounds"),
    ],
)
def test_an_active_segment_that_does_not_fit_is_a_trap(
    open_guest: OpenGuest, segment: str, code: str
) -> None:
    with pytest.raises(Trap) as caught:
        open_guest(f"(module {segment})")
    assert caught.value.code == code


def test_an_export_that_is_not_there_is_a_bug_that_shows(open_guest: OpenGuest) -> None:
    guest = open_guest("(module)")
    with pytest.raises(KeyError):
        guest.assembly.export(guest.store, 0, b"f")


def test_a_view_shows_the_memory_and_is_of_the_size_that_was_asked_for(
    open_guest: OpenGuest,
) -> None:
    guest = open_guest('(module (memory (export "memory") 1) (data (i32.const 65535) "z"))')
    memory = guest.assembly.export(guest.store, 0, b"memory")
    view = guest.store.memory_view(memory.address, PAGE)
    assert (len(view), view[PAGE - 1]) == (PAGE, ord("z"))
    view.release()
    with pytest.raises(ValueError, match="65537"):
        guest.store.memory_view(memory.address, PAGE + 1)


def test_closing_twice_is_harmless(open_guest: OpenGuest) -> None:
    store = open_guest("(module)").store
    store.close()
    store.close()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_ten_thousand_stores_leave_nothing_behind(
    open_guest: OpenGuest, make_host: MakeHost
) -> None:
    """A third of the guests returns, a third meets an exception, and a third is cancelled."""
    text = """(module
      (import "host" "now" (func $now (param i32) (result i32)))
      (type $operation (func (param i32) (result i32)))
      (table (export "wait") 1 1 funcref)
      (memory 1)
      (func (export "f") (param i32) (result i32)
        (i32.store (i32.const 30000) (local.get 0))
        (drop (call $now (i32.const 1)))
        (call_indirect (type $operation) (local.get 0) (i32.const 0))))"""
    open_another = type(open_guest(text))

    async def wait(operation: int) -> int:
        if operation % 3 == 1:
            raise LookupError(operation)
        if operation % 3 == 2:
            await trio.sleep_forever()
        return operation

    async def measure(count: int) -> tuple[int, int]:
        for number in range(count):
            guest = open_another(text, host=make_host(lambda _: 0, wait))
            with trio.CancelScope() as scope, contextlib.suppress(LookupError):
                scope.cancel()
                await guest.call("f", number)
            guest.store.close()
        gc.collect()
        return resident_bytes(), descriptors()

    memory, files = await measure(500)
    later_memory, later_files = await measure(10_000)
    assert later_memory - memory < 20 * 1024 * 1024
    assert later_files <= files + 5


def test_a_store_of_one_profile_is_not_given_a_module_of_another() -> None:
    assert engine_for("deterministic") is not engine_for("fast")
    assert engine_for("fast") is engine_for("fast")


MANY_MODULES = """
import resource, sys
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64 if sys.argv[1] == "hard" else hard))
from ipvm.engine import (
    Assembly, EngineFault, Part, Store, compile_now, engine_for, text_to_module
)

engine = engine_for("deterministic")
texts = [f'(module (memory 1) (data (i32.const 0) "{number}"))' for number in range(100)]
modules = [compile_now(engine, text_to_module(text)) for text in texts]
try:
    for module in modules:
        store = Store(engine)
        Assembly(engine, [Part(module)]).build(store)
        store.close()
    print("all")
except EngineFault:
    print("some")
"""


@pytest.mark.parametrize(("limit", "instantiated"), [("soft", "all\n"), ("hard", "some\n")])
def test_modules_with_data_are_not_bounded_by_the_files_that_a_process_opens_usually(
    limit: str, instantiated: str
) -> None:
    command = [sys.executable, "-c", MANY_MODULES, limit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, instantiated), done.stderr
