"""Collections beside processes that use the store, and collections that are killed."""

import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from ipvm.ipld import Block, Value
from ipvm.store import Check, Pin, Walk, collect
from ipvm.store.lmdb import Lmdb

Run = Callable[..., Awaitable[str]]

COLLECT_FOREVER = """
import sys, trio
from pathlib import Path
from ipvm.store import collect
from ipvm.store.lmdb import Lmdb

async def main():
    with Lmdb(Path(sys.argv[1])) as store:
        print("begun", flush=True)
        while True:
            done = await collect(store)
            assert not done.problems, done
            print(done.freed.blocks, flush=True)

trio.run(main, restrict_keyboard_interrupt_to_checkpoints=True)
"""

HOLD_A_LEASE = """
import sys, trio
from pathlib import Path
from ipvm.ipld import Block
from ipvm.store.lmdb import Lmdb

async def main():
    with Lmdb(Path(sys.argv[1])) as store:
        async with store.lease():
            await store.put(Block.of(b"leased"))
            print("begun", flush=True)
            await trio.sleep_forever()

trio.run(main)
"""

IMPORT_AND_PIN = """
import random, sys, trio
from pathlib import Path
from ipvm.ipld import Block
from ipvm.store import Pin
from ipvm.store.lmdb import Lmdb

async def main():
    with Lmdb(Path(sys.argv[1])) as store:
        for number in range(int(sys.argv[2]), int(sys.argv[3])):
            leaves = [Block.of(b"%d %d " % (number % 7, each) * 100) for each in range(8)]
            async with store.lease():
                for leaf in leaves:
                    await store.put(leaf)
                root = Block.encode({"number": number, "leaves": [each.cid for each in leaves]})
                await store.put(root)
                await store.pin(Pin(cid=root.cid))
            for block in (root, *leaves):
                assert await store.has(block.cid), number
            await store.put(Block.of(b"garbage %d" % number))

trio.run(main)
"""


PIN_MUCH = """
import sys, trio
from pathlib import Path
from ipvm.ipld import Block
from ipvm.limits import STORE_COMMIT_BYTES_MAX
from ipvm.store import Pin
from ipvm.store.lmdb import Lmdb

async def main():
    with Lmdb(Path(sys.argv[1])) as store:
        for number in range(6):
            size = STORE_COMMIT_BYTES_MAX // 40
            leaves = [Block.of(bytes((number, each)) * (size // 2)) for each in range(41)]
            root = Block.encode([each.cid for each in leaves])
            await store.pin(Pin(cid=root.cid, name="much"), [*leaves, root])
            for block in (root, *leaves):
                assert await store.has(block.cid), number

trio.run(main)
"""


@asynccontextmanager
async def running(script: str, *arguments: object) -> AsyncIterator[trio.Process]:
    """Another process, from when it has begun; it is killed in the end."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    process = await trio.lowlevel.open_process(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        with trio.fail_after(60):
            assert (await process.stdout.receive_some()).startswith(b"begun")
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


def root(number: int) -> tuple[Block, list[Block]]:
    leaves = [Block.of(b"%d %d" % (number, each)) for each in range(20)]
    value: Value = [leaf.cid for leaf in leaves]
    return Block.encode(value), leaves


async def test_a_lease_of_another_process_keeps_what_it_puts(folder: Path) -> None:
    leased = Block.of(b"leased")
    async with running(HOLD_A_LEASE, folder):
        with Lmdb(folder) as store:
            await collect(store)
            assert await store.has(leased.cid)


async def test_the_lease_of_a_killed_process_ends(folder: Path) -> None:
    leased = Block.of(b"leased")
    async with running(HOLD_A_LEASE, folder) as process:
        process.send_signal(signal.SIGKILL)
        await process.wait()
        with Lmdb(folder) as store:
            assert await store.has(leased.cid)
            await collect(store)
            assert not await store.has(leased.cid)
            assert names(folder / "leases") == set()


async def test_processes_import_while_others_collect_and_nothing_is_lost(
    folder: Path, run: Run
) -> None:
    async with running(COLLECT_FOREVER, folder), running(COLLECT_FOREVER, folder):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, IMPORT_AND_PIN, folder, 0, 40)
            nursery.start_soon(run, IMPORT_AND_PIN, folder, 40, 80)
    with Lmdb(folder) as store:
        done = await collect(store)
        assert (done.problems, done.pins, done.kept) == ((), 80, 80 + 7 * 8)


async def test_a_pin_that_takes_many_commits_is_whole_beside_collections(
    folder: Path, run: Run
) -> None:
    async with running(COLLECT_FOREVER, folder), running(COLLECT_FOREVER, folder):
        await run(PIN_MUCH, folder)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
async def test_a_collection_that_is_ended_at_any_moment_loses_nothing(
    folder: Path, end: signal.Signals
) -> None:
    chance = random.Random(int(end))
    with Lmdb(folder) as store:
        for number in range(5):
            top, leaves = root(number)
            await store.pin(Pin(cid=top.cid), [top, *leaves])
    for attempt in range(5):
        garbage = [Block.of(b"garbage %d %d" % (attempt, each)) for each in range(5_000)]
        with Lmdb(folder) as store:
            await store.put_many(garbage)
        async with running(COLLECT_FOREVER, folder) as process:
            await trio.sleep(chance.uniform(0, 0.3))
            process.send_signal(end)
            with trio.fail_after(60):
                await process.wait()
        with Lmdb(folder) as store:
            assert [fault async for fault in Check(store)] == []
            assert len(await store.pins()) == 5
            for number in range(5):
                top, leaves = root(number)
                assert [await store.get(each.cid) for each in (top, *leaves)] == [top, *leaves]
    with Lmdb(folder) as store:
        await collect(store)
        assert len([key async for key in Walk(store)]) == 5 * 21
    assert names(folder) == {"data.mdb", "lock.mdb", "leases"}
    assert names(folder / "leases") == set()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
