"""An interrupt from the keyboard ends a program that calls functions at any moment, and breaks nothing.

It strikes a hundred times, at moments drawn from a seed, as calls follow each other that are brief,
that wait, that talk to the host, and that compute. Each time the program begins anew in the same
process, and all that functions answer until then has to be right.
"""

import random
import signal
import subprocess
import sys
import threading
import time
from typing import Final

import pytest
import trio

import ipvm
from ipvm.engine.store import stores_by_context
from ipvm.testing import Library

TIMES = 100
LONGEST_SECONDS = 0.02

TEXT: Final = """(module
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 64) "\\01\\55\\00\\04here")
  (func $next (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $ask (drop (call $open (i32.const 0) (i32.const 64))))
  (func $say (drop (call $log (i32.const 68) (i32.const 4))))
  (func (export "answer") (param i32) (result i32) (call $next (local.get 0)))
  (func (export "ask") (param i32) (result i32) (call $ask) (call $next (local.get 0)))
  (func (export "say") (param i32) (result i32) (call $say) (call $next (local.get 0)))
  (func (export "both") (param i32) (result i32)
    (call $ask) (call $say) (call $next (local.get 0)))
  (func (export "compute") (param i32) (result i32) (local $left i32)
    (local.set $left (i32.const 1000000))
    (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (call $say) (call $next (local.get 0))))"""
NAMES: Final = ("answer", "ask", "say", "both", "answer", "compute")


class Wrong(BaseException):
    """A function gave another answer than it has to."""


async def call_for_ever(library: Library) -> None:
    root = list(library.blocks)[-1]
    async with ipvm.open(store=await library.store(), on_log=lambda _cid, _text: None) as node:
        programs = [
            await node.load(root),
            await node.load(root, profile="fast"),
        ]
        number = 0
        while True:
            for program in programs:
                for name in NAMES:
                    if await program[name](number) != number + 1:
                        raise Wrong(name)
                    number += 1


def interrupt_again_and_again() -> None:
    chance = random.Random(1)
    library = Library()
    library.code(TEXT)
    main = threading.main_thread().ident
    assert main is not None

    def strike(seconds: float) -> None:
        time.sleep(seconds)
        signal.pthread_kill(main, signal.SIGINT)

    interrupted = 0
    for _ in range(TIMES):
        striker = threading.Thread(target=strike, args=(chance.uniform(0.0, LONGEST_SECONDS),))
        try:
            striker.start()
            trio.run(call_for_ever, library)
        except* KeyboardInterrupt:
            interrupted += 1
        striker.join()
    print(interrupted, len(stores_by_context()))  # noqa: T201 - for the test


def test_an_interrupt_may_strike_at_any_moment_of_a_call() -> None:
    """In a process of its own, which ends well, and has nothing to complain of."""
    command = [sys.executable, __file__]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{TIMES} 0\n", "")


INTERRUPTED: Final = """
import os, signal, sys, trio
sys.path.insert(0, sys.argv[1])
import ipvm
from ipvm.testing import Library

async def main():
    library = Library()
    root = library.code('''(module (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "say") (drop (call $log (i32.const 0) (i32.const 1))) (loop $l (br $l))))''')
    def strike(_cid, _text):
        os.kill(os.getpid(), signal.SIGINT)
    async with ipvm.open(store=await library.store(), on_log=strike) as node:
        await (await node.load(root, profile=sys.argv[2])).say()

trio.run(main)
"""


@pytest.mark.parametrize("profile", ["deterministic", "fast"])
def test_a_program_that_does_not_care_ends_by_the_interrupt(profile: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED, __file__.rpartition("/")[0], profile]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.endswith("KeyboardInterrupt\n")


if __name__ == "__main__":
    interrupt_again_and_again()
