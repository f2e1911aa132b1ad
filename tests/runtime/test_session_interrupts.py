"""An interrupt from the keyboard may strike at any moment of a session, and breaks nothing.

As in `test_interrupts.py`: a hundred times, at moments drawn from a seed, while calls of a session follow
each other, and batches run beside them. Until then every answer has to be right.
"""

import random
import signal
import subprocess
import sys
import threading
import time
from typing import Final

import trio

import ipvm
from ipvm.engine.store import stores_by_context
from ipvm.testing import Library

TIMES: Final = 100
LONGEST_SECONDS: Final = 0.02

TEXT: Final = """(module
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 64) "\\01\\55\\00\\04here")
  (global $count (mut i32) (i32.const 0))
  (func $next (export "next") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (global.get $count))
  (func (export "ask") (result i32)
    (drop (call $open (i32.const 0) (i32.const 64)))
    (drop (call $log (i32.const 68) (i32.const 4)))
    (call $next))
  (func (export "compute") (result i32) (local $left i32)
    (local.set $left (i32.const 1000000))
    (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (call $next)))"""


class Wrong(BaseException):
    """A function gave another answer than it has to."""


async def call_for_ever(library: Library) -> None:
    root = list(library.blocks)[-1]
    async with ipvm.open(store=await library.store(), on_log=lambda _cid, _text: None) as node:
        async with node.session(root) as one, node.session(root, profile="fast") as other:
            number = 0
            while True:
                for name in ("next", "ask", "next", "compute"):
                    number += 1
                    for session in (one, other):
                        if await session[name]() != number:
                            raise Wrong(name)
                batch = (await node.load(root)).compute.map([()] * 3)
                if await batch != [1, 1, 1]:
                    raise Wrong


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


def test_an_interrupt_may_strike_at_any_moment_of_a_session() -> None:
    """In a process of its own, which ends well, and has nothing to complain of."""
    command = [sys.executable, __file__]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{TIMES} 0\n", "")


if __name__ == "__main__":
    interrupt_again_and_again()
