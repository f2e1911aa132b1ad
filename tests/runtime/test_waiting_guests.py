"""Thousands of guests wait for one event, without threads, and leave nothing when it has come.

Those that have waited several times before are held, with mappings of memory of which Linux gives a
process 65530 unless told otherwise. So this runs in a process of its own.
"""

import gc
import json
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final, NoReturn

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import ipvm
from ipvm.ipld import BlockNotFound, Cid
from ipvm.limits import Limits
from ipvm.testing import Library

GUESTS = 10_000
PATIENCE_SECONDS = 60
NOT_FOUND = 6
MAPPINGS: Final = 8
"""What a guest with one memory takes, and the host for it."""
SCATTERED_BYTES = 48 * 1024 * 1024
"""What the allocator of C may keep of a wave in pieces. The guests themselves take twice as much."""

TEXT: Final = """(module
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 64) "\\01\\55\\12\\20")
  (func $wait (export "wait") (param $n i32) (result i32)
    (i32.store (i32.const 68) (local.get $n))
    (i32.add (i32.mul (i32.load (i32.const 68)) (i32.const 100))
      (call $open (i32.const 0) (i32.const 64))))
  ;; Wait some more before, for nothing.
  (func (export "wait_long") (param $n i32) (result i32) (local $times i32)
    (loop $again
      (drop (call $open (i32.const 0) (i32.const 64)))
      (br_if $again
        (i32.lt_u (local.tee $times (i32.add (local.get $times) (i32.const 1))) (i32.const 10))))
    (call $wait (local.get $n))))"""


class Source:
    """A source that has nothing, and says so when its gate is opened."""

    def __init__(self) -> None:
        self.gate = trio.Event()
        self.waiting = 0

    async def fetch(self, cid: Cid) -> NoReturn:
        if cid.digest[:4] == bytes(4):
            await trio.lowlevel.checkpoint()
            raise BlockNotFound(cid)
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        raise BlockNotFound(cid)


def held() -> dict[str, int]:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "memory": pages * resource.getpagesize(),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "mappings": Path("/proc/self/maps").read_text().count("\n"),
        "threads": threading.active_count(),
    }


async def wait_together(programs: list[ipvm.Program], source: Source, *, release: bool) -> int:
    """Let all guests wait, then release or cancel them; give the most threads that there were."""
    source.gate = trio.Event()
    results: dict[int, object] = {}

    async def call(number: int) -> None:
        results[number] = await programs[number % len(programs)].wait(number)

    async with trio.open_nursery() as nursery:
        for number in range(1, GUESTS + 1):
            nursery.start_soon(call, number)
        with trio.fail_after(PATIENCE_SECONDS):
            while source.waiting < GUESTS:  # some tasks may be blocked on a thread until then
                await wait_all_tasks_blocked(0.01)
        assert results == {}
        threads = threading.active_count()
        if release:
            source.gate.set()
        else:
            nursery.cancel_scope.cancel()
    assert source.waiting == 0
    expected = {number: 100 * number + NOT_FOUND for number in range(1, GUESTS + 1)}
    assert results == (expected if release else {})
    return threads


async def wait_beyond_the_bound(program: ipvm.Program, source: Source) -> dict[str, int]:
    """Let guests wait that have to be held; tell how many waited, and how many were refused."""
    source.gate = trio.Event()
    ended = dict.fromkeys(("answered", "refused"), 0)

    async def call(number: int) -> None:
        try:
            assert await program.wait_long(number) == 100 * number + NOT_FOUND
            ended["answered"] += 1
        except ipvm.LimitExceeded as refusal:
            ended["refused" if refusal.limit == "mappings" else refusal.limit] += 1

    async with trio.open_nursery() as nursery:
        for number in range(1, GUESTS + 1):
            nursery.start_soon(call, number)
        with trio.fail_after(PATIENCE_SECONDS):
            while source.waiting + ended["refused"] < GUESTS:
                await wait_all_tasks_blocked(0.01)
        source.gate.set()
    return ended


async def hold() -> None:
    library = Library()
    source = Source()
    root = library.code(TEXT)
    async with ipvm.open(
        store=await library.store(), sources=[source], limits=Limits(fetches_together_max=GUESTS)
    ) as node:
        program = await node.load(root)
        print(json.dumps([await wait_beyond_the_bound(program, source) for _ in range(2)]))  # noqa: T201 - for the test


async def main() -> None:
    library = Library()
    root = library.code(TEXT)
    source = Source()
    async with ipvm.open(
        store=await library.store(), sources=[source], limits=Limits(fetches_together_max=GUESTS)
    ) as node:
        programs = [await node.load(root), await node.load(root, profile="fast")]
        seen = []
        for release in (True, False, True):
            threads = await wait_together(programs, source, release=release)
            seen.append({**held(), "threads_meanwhile": threads})
        print(json.dumps(seen))  # noqa: T201 - for the test


@pytest.mark.slow
def test_thousands_of_guests_wait_at_once_and_leave_nothing_behind() -> None:
    """The first waves fill what is kept for reuse; one after them adds nothing."""
    command = [sys.executable, __file__]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    waves = json.loads(done.stdout)
    assert max(wave["threads_meanwhile"] for wave in waves) <= 8
    early, late = waves[-2:]
    assert late["files"] <= early["files"] + 3
    assert late["mappings"] <= early["mappings"] + 200
    assert late["memory"] <= early["memory"] + SCATTERED_BYTES


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such bound")
def test_guests_that_must_be_held_are_refused_where_the_system_has_no_room_for_them() -> None:
    """And again when the first of them are gone."""
    command = [sys.executable, __file__, "hold"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    room = int(Path("/proc/sys/vm/max_map_count").read_text("ascii")) * 7 // 8 // MAPPINGS
    answered = min(room, GUESTS)
    expected = {"answered": answered, "refused": GUESTS - answered}
    assert json.loads(done.stdout) == [expected, expected]


if __name__ == "__main__":
    trio.run(hold if sys.argv[1:] == ["hold"] else main)
