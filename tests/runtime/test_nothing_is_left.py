"""A hundred thousand calls later the process holds what it held after the first thousand.

Calls end in every way there is: with a number, with blocks, by a trap, by an abort, without fuel, on a
fiber, on a worker thread, by an exception of the host, cancelled while they wait and while they
compute. What is counted is memory, files, mappings of memory, and threads.
"""

import gc
import json
import resource
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NoReturn

import pytest
import trio

import ipvm
from ipvm.ipld import Cid
from ipvm.testing import Library

CALLS = 100_000
EARLY = 1_000

TEXT: Final = """(module
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (import "ipld" "block_create" (func $create (param i32 i64 i32 i32) (result i32)))
  (import "ipld" "block_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
  (import "ipvm" "abort" (func $abort (param i32 i32 i32) (result i32)))
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 2) (data (i32.const 64) "\\01\\55\\12\\20")
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "copy") (param $block i32) (result i32)
    (drop (call $read (i32.const 0) (local.get $block)
      (i32.const 0) (i32.const 4096) (i32.const 4096)))
    (drop (call $create (i32.const 0) (i64.const 0x55) (i32.const 4096) (i32.const 4096)))
    (i32.load (i32.const 0)))
  (func (export "trap") (unreachable))
  (func (export "give_up") (drop (call $abort (i32.const 7) (i32.const 64) (i32.const 4))))
  (func $spin (export "spin") (loop $again (br $again)))
  (func (export "compute") (local i32)
    (local.set 0 (i32.const 500000))
    (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "say") (drop (call $log (i32.const 64) (i32.const 4))))
  (func $ask (export "ask") (param i32) (result i32)
    (i32.store8 (i32.const 68) (local.get 0)) (call $open (i32.const 0) (i32.const 64)))
  (func (export "grow") (result i32)
    (drop (memory.grow (i32.const 30)))
    (i32.store (i32.const 2000000) (i32.const 1)) (call $ask (i32.const 0))))"""
COPY: Final = ipvm.Signature(params=("bytes",), results=("bytes",))


class Planned(Exception):
    """What the source raises."""


class Source:
    """A source without blocks, that raises or waits when it is asked to."""

    async def fetch(self, cid: Cid) -> NoReturn:
        if cid.digest[0] == 1:
            raise Planned
        if cid.digest[0] == 2:
            await trio.sleep_forever()
        raise ipvm.NotFound(str(cid))


async def cancelled(call: Callable[[], Awaitable[object]], checkpoints: int) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        for _ in range(checkpoints):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def one_round(program: ipvm.Program, fast: ipvm.Program, copy: ipvm.Function) -> int:
    """Make some calls of each kind, most of those that cost least, and give their number."""
    data, poor = bytes(4096), program.using(fuel=10_000)
    for number in range(40):
        assert await program.add(number, 1) == number + 1
    for _ in range(10):
        assert await copy(data) == data
        assert await program.ask(0) == 6
    for each in (program, fast):
        for name in ("trap", "give_up"):
            for _ in range(6):
                with pytest.raises(ipvm.GuestError):
                    await each[name]()
        await each.say()
        assert await each.grow() == 6
        with pytest.raises(Planned):
            await each.ask(1)
        await cancelled(lambda each=each: each.ask(2), 4)  # type: ignore[misc]
        assert await each.add(1, 2) == 3
    for _ in range(3):
        with pytest.raises(ipvm.GuestError, match="out-of-fuel"):
            await poor.spin()
    return 40 + 20 + 2 * 17 + 3


async def long_round(program: ipvm.Program, fast: ipvm.Program) -> int:
    """Make calls that leave the thread of the loop."""
    for each in (program, fast):
        await each.compute()
        await cancelled(each.spin, 6)
    return 4


def held() -> dict[str, int]:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "memory": pages * resource.getpagesize(),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "mappings": Path("/proc/self/maps").read_text().count("\n"),
        "threads": threading.active_count(),
    }


async def run(calls: int) -> tuple[dict[str, int], dict[str, int]]:
    """Make that many calls, and tell what is held early and at the end."""
    library = Library()
    root = library.code(TEXT)
    copying = library.manifest(root, exports={"copy": COPY})
    store = await library.store()
    made, early = 0, None
    async with ipvm.open(store=store, sources=[Source()], on_log=lambda _cid, _text: None) as node:
        program = await node.load(root)
        fast = await node.load(root, profile="fast")
        copy = (await node.load(copying)).copy
        rounds = 0
        while made < calls:
            made += await one_round(program, fast, copy)
            if rounds % 10 == 0:
                made += await long_round(program, fast)
            rounds += 1
            if early is None and made >= EARLY:
                early = held()
        assert early is not None
        return early, held()


@pytest.mark.slow
def test_after_a_hundred_thousand_calls_nothing_more_is_held_than_after_a_thousand() -> None:
    """In a process of its own, whose memory nothing else fills."""
    command = [sys.executable, __file__, str(CALLS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    early, late = json.loads(done.stdout)
    assert late["files"] <= early["files"] + 3
    assert late["threads"] <= early["threads"] + 3
    assert late["mappings"] <= early["mappings"] + 100
    assert late["memory"] <= early["memory"] + 16 * 1024 * 1024


async def test_after_three_thousand_calls_little_more_is_held_than_after_a_thousand() -> None:
    early, late = await run(3 * EARLY)
    assert late["files"] <= early["files"] + 3
    assert late["mappings"] <= early["mappings"] + 200


if __name__ == "__main__":
    print(json.dumps(trio.run(run, int(sys.argv[1]))))  # noqa: T201 - for the test above
