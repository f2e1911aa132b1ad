"""Eight threads with a loop and a node each raise from host calls at once, and nothing goes astray.

What is raised carries the number of its call, and comes by every way there is: while the call is
tried without a fiber, from a host call on a fiber that answers at once, on a worker thread, and from
a coroutine of the host that waits. Some guests swallow what went wrong and go on.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, NoReturn

import pytest
import trio

import ipvm
from ipvm.ipld import BlockNotFound, Cid
from ipvm.model import Profile
from ipvm.testing import Library

THREADS = 8
TASKS = 4
CALLS = 20_000
PROFILES: Final[tuple[Profile, ...]] = ("deterministic", "fast")


class Planned(Exception):
    """Carries the number of the call that it belongs to."""


class Last(BaseException):
    """The same for what no handler of `Exception` sees."""


class Interrupted(KeyboardInterrupt):
    """The same for what ends a program."""


CONDITIONS: Final[tuple[type[BaseException], ...]] = (Planned, Last, Interrupted)

TEXT: Final = """(module
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (import "ipvm" "abort" (func $abort (param i32 i32 i32) (result i32)))
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 64) "\\01\\55\\12\\20")
  (func $ask (export "ask") (param $n i32) (param $kind i32) (result i32)
    (i32.store (i32.const 68) (local.get $n))
    (i32.store8 (i32.const 72) (local.get $kind))
    (call $open (i32.const 0) (i32.const 64)))
  (func $say (param $n i32) (param $kind i32)
    (i32.store8 (i32.const 256) (i32.and (local.get $n) (i32.const 127)))
    (i32.store8 (i32.const 257)
      (i32.and (i32.shr_u (local.get $n) (i32.const 7)) (i32.const 127)))
    (i32.store8 (i32.const 258) (i32.shr_u (local.get $n) (i32.const 14)))
    (i32.store8 (i32.const 259) (local.get $kind))
    (drop (call $log (i32.const 256) (i32.const 4))))
  (func $give_up (export "give_up") (param $n i32) (param i32) (result i32)
    (call $abort (local.get $n) (i32.const 0) (i32.const 0)))
  (func (export "say") (param $n i32) (param $kind i32) (result i32)
    (call $say (local.get $n) (local.get $kind)) (i32.const 0))
  (func (export "say_after_waiting") (param $n i32) (param $kind i32) (result i32)
    (drop (call $ask (local.get $n) (i32.const 9)))
    (call $say (local.get $n) (local.get $kind)) (i32.const 0))
  (func (export "give_up_after_waiting") (param $n i32) (param i32) (result i32)
    (drop (call $ask (local.get $n) (i32.const 9)))
    (call $give_up (local.get $n) (i32.const 0)))
  (func (export "say_after_computing") (param $n i32) (param $kind i32) (result i32)
    (local $left i32) (local.set $left (i32.const 700000))
    (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (call $say (local.get $n) (local.get $kind)) (i32.const 0))
  (func (export "swallow") (param $n i32) (param i32) (result i32)
    (i32.add (i32.mul (local.get $n) (i32.const 100))
      (i32.add (call $ask (local.get $n) (i32.const 9)) (call $ask (local.get $n) (i32.const 9)))))
  (func (export "trap") (param $n i32) (param i32) (result i32)
    (drop (call $ask (local.get $n) (i32.const 9)))
    (i32.div_u (local.get $n) (i32.const 0))))"""

NOT_FOUND = 6
WAYS: Final = (
    "ask",
    "give_up",
    "say",
    "say_after_waiting",
    "give_up_after_waiting",
    "swallow",
    "trap",
)


class Raising:
    """A source that raises what the CID asks for, sometimes after others had their turn."""

    async def fetch(self, cid: Cid) -> NoReturn:
        number, kind = int.from_bytes(cid.digest[:4], "little"), cid.digest[4]
        if number % 2:
            await trio.lowlevel.checkpoint()
        if kind < len(CONDITIONS):
            raise CONDITIONS[kind](number)
        raise BlockNotFound(cid)


def raise_as_told(_cid: Cid, message: str) -> NoReturn:
    low, middle, high, kind = message.encode()
    raise CONDITIONS[kind](low | middle << 7 | high << 14)


def expected(way: str, number: int, kind: int) -> object:
    if way == "swallow":
        return number * 100 + 2 * NOT_FOUND
    if way.startswith("give_up"):
        return ("abort", number)
    return ("trap", None) if way == "trap" else (CONDITIONS[kind], number)


async def outcome(program: ipvm.Program, way: str, number: int, kind: int) -> object:
    try:
        return await program[way](number, kind)
    except ipvm.GuestError as error:
        return error.kind, error.code
    except CONDITIONS as error:
        return type(error), error.args[0]


async def raise_each(
    numbers: range, profile: Profile, ways: tuple[str, ...], wrong: list[object]
) -> None:
    """Make the calls of those numbers, a few at the same time, and note what is not as expected."""
    library = Library()
    root = library.code(TEXT)
    queue = iter(numbers)

    async def work(program: ipvm.Program) -> None:
        for number in queue:
            way, kind = ways[number % len(ways)], number // len(ways) % len(CONDITIONS)
            found = await outcome(program, way, number, kind)
            if found != expected(way, number, kind):
                wrong.append((way, number, kind, found))

    store = await library.store()
    async with ipvm.open(store=store, sources=[Raising()], on_log=raise_as_told) as node:
        program = await node.load(root, profile=profile)
        async with trio.open_nursery() as nursery:
            for _ in range(TASKS):
                nursery.start_soon(work, program)


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns a hundred times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 100)
    yield
    sys.setswitchinterval(usual)


def in_threads(work: Callable[[int], None], wrong: list[object]) -> None:
    """Do the work of each thread; what it raises is wrong."""
    start = threading.Barrier(THREADS)

    def run(index: int) -> None:
        start.wait()
        try:
            work(index)
        except BaseException as failure:  # noqa: BLE001 - the thread that waits looks at it
            wrong.append(failure)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.slow
@pytest.mark.usefixtures("hasty_threads")
def test_of_twenty_thousand_exceptions_none_reaches_another_call() -> None:
    wrong: list[object] = []
    calls = CALLS // THREADS

    def work(index: int) -> None:
        numbers = range(index * calls, (index + 1) * calls)
        trio.run(raise_each, numbers, PROFILES[index % 2], WAYS, wrong)

    in_threads(work, wrong)
    assert not wrong[:10]


@pytest.mark.usefixtures("hasty_threads")
def test_no_exception_of_a_guest_that_computes_reaches_another_call() -> None:
    wrong: list[object] = []
    ways = (*WAYS, "say_after_computing")

    def work(index: int) -> None:
        numbers = range(index * 1000, index * 1000 + 96)
        trio.run(raise_each, numbers, PROFILES[index % 2], ways, wrong)

    in_threads(work, wrong)
    assert not wrong[:10]


async def test_what_is_raised_leaves_nothing_for_the_next_call() -> None:
    """Also not for a call whose store happens to lie where the last one did."""
    library = Library()
    root = library.code(TEXT)
    store = await library.store()
    async with ipvm.open(store=store, sources=[Raising()], on_log=raise_as_told) as node:
        program = await node.load(root)
        for number in range(300):
            with suppress(ipvm.GuestError, *CONDITIONS):
                await program[WAYS[number % len(WAYS)]](number, number % len(CONDITIONS))
            assert await program.swallow(number, 0) == number * 100 + 2 * NOT_FOUND
