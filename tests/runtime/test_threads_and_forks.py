"""Engines belong to the process: nodes in many threads share them, and so does a forked child.

A child has only the thread that forked. What it needs of others it has to make for itself: whoever
compiles, the clock of the fast profile, the threads on which guests compute.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Final

import pytest
import trio

import ipvm
from ipvm.model import Profile
from ipvm.testing import Library

PROFILES: Final[tuple[Profile, ...]] = ("deterministic", "fast")

TEXT: Final = """(module
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "number") (result i32) (i32.const {number}))
  (func (export "wait") (result i32) (call $open (i32.const 0) (i32.const 0)))
  (func (export "trap") (unreachable))
  (func (export "beyond") (result i32) (i32.load (i32.const -1)))
  (func $deep (export "deep") (result i32) (i32.add (call $deep) (i32.const 1)))
  (func (export "spin") (loop $again (br $again))))"""

FAILURES: Final[dict[str, type[ipvm.IpvmError]]] = {
    "trap": ipvm.GuestError,
    "beyond": ipvm.GuestError,
    "deep": ipvm.LimitExceeded,
}


async def use_everything(number: int) -> None:
    """Do with a node of its own what there is to do, with code that nobody else has."""
    library = Library()
    root = library.code(TEXT.format(number=number))
    async with ipvm.open(store=await library.store(), cache=False) as node:
        for profile in PROFILES:
            program = await node.load(root, profile=profile)
            assert await program.number() == number
            assert await program.wait() == 1
            for name, condition in FAILURES.items():
                with pytest.raises(condition):
                    await program[name]()
            with trio.move_on_after(0.01) as scope:
                await program.spin()
            assert scope.cancelled_caught


def test_one_run_after_the_other_may_use_the_engines() -> None:
    for number in range(4):
        trio.run(use_everything, number)


async def test_nodes_may_be_open_beside_each_other() -> None:
    """Also two of the same store."""
    library = Library()
    root = library.code(TEXT.format(number=5))
    store = await library.store()
    async with ipvm.open(store=store) as one, ipvm.open(store=store) as other:
        first, second = await one.load(root), await other.load(root)
        assert await first.number() == await second.number() == 5
        async with trio.open_nursery() as nursery:
            nursery.start_soon(use_everything, 6)
            nursery.start_soon(use_everything, 7)
            with trio.move_on_after(0.01):
                await first.spin()
            assert await second.wait() == 1


def in_threads(work: Callable[[int], None], count: int) -> list[BaseException]:
    start, failures = threading.Barrier(count), list[BaseException]()

    def run(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as failure:  # noqa: BLE001 - the thread that waits looks at it
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_many_threads_may_use_the_engines_at_once() -> None:
    assert in_threads(lambda number: trio.run(use_everything, number), 6) == []


def test_a_thread_may_use_the_engines_that_another_one_made_and_ended() -> None:
    for number in range(3):
        assert in_threads(lambda _, number=number: trio.run(use_everything, number), 1) == []  # type: ignore[misc]


HEAD: Final = """
import multiprocessing, os, sys, threading, trio
sys.path.insert(0, sys.argv[1])
from test_threads_and_forks import fork_and_use, fork_while_guests_compute, use_everything
"""
FORKS: Final = {
    "after_the_engines_were_used": "trio.run(use_everything, 1); fork_and_use()",
    "in_another_thread": """
trio.run(use_everything, 1)
thread = threading.Thread(target=fork_and_use)
thread.start()
thread.join()""",
    "while_guests_compute": "trio.run(fork_while_guests_compute)",
    "as_a_process_of_multiprocessing": """
trio.run(use_everything, 1)
context = multiprocessing.get_context("fork")
children = [context.Process(target=trio.run, args=(use_everything, n)) for n in range(3)]
for child in children:
    child.start()
for child in children:
    child.join()
    assert child.exitcode == 0
""",
}


def fork_and_use() -> None:
    """Use the engines in a child, and in the parent after that."""
    child = os.fork()
    if not child:
        try:
            trio.run(use_everything, 2)
        except BaseException as failure:  # noqa: BLE001 - nothing of the parent may run in the child
            print("in the child:", repr(failure), file=sys.stderr, flush=True)  # noqa: T201
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    trio.run(use_everything, 3)


async def fork_while_guests_compute() -> None:
    library = Library()
    root = library.code(TEXT.format(number=5))
    async with ipvm.open(store=await library.store()) as node, trio.open_nursery() as nursery:
        for profile in PROFILES:
            program = await node.load(root, profile=profile)
            for _ in range(3):
                nursery.start_soon(program.spin)
        await trio.sleep(0.02)
        await trio.to_thread.run_sync(fork_and_use)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("when", FORKS)
def test_a_forked_child_may_use_the_engines(when: str) -> None:
    command = [sys.executable, "-c", HEAD + FORKS[when], __file__.rpartition("/")[0]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
