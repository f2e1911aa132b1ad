"""Many processes use one store at once, and any of them may be killed at any moment."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from ipvm.ipld import Block
from ipvm.limits import STORE_PROCESSES_MAX
from ipvm.store import Check, Memory, StoreUnavailable
from ipvm.store.lmdb import Lmdb

Run = Callable[..., Awaitable[str]]

PUT_RANGE = """
import sys, trio
from pathlib import Path
from ipvm.ipld import Block
from ipvm.store.lmdb import Lmdb

async def put_each(store, numbers):
    async with trio.open_nursery() as nursery:
        for number in numbers:
            nursery.start_soon(store.put, Block.of(b"%d" % number))

with Lmdb(Path(sys.argv[1])) as store:
    for begin in range(int(sys.argv[2]), int(sys.argv[3]), 50):
        trio.run(put_each, store, range(begin, begin + 50))
"""

PUT_FOREVER = """
import itertools, sys, trio
from pathlib import Path
from ipvm.ipld import Block
from ipvm.store.lmdb import Lmdb

store = Lmdb(Path(sys.argv[1]))
for batch in itertools.count(int(sys.argv[2])):
    blocks = [Block.of(b"%d %d " % (batch, number) * 4000) for number in range(100)]
    trio.run(store.put_many, blocks)
    print(batch, flush=True)
"""

PUT_ONE_BIG_ONE = """
import sys, trio
from pathlib import Path
from ipvm.ipld import Block
from ipvm.store.lmdb import Lmdb

with Lmdb(Path(sys.argv[1])) as store:
    trio.run(store.put, Block.of(bytes(3_000_000)))
"""

HOLD_A_READ_AND_DIE = """
import os, signal, sys, lmdb

lmdb.Environment(sys.argv[1]).begin()
os.kill(os.getpid(), signal.SIGKILL)
"""

HOLD_READS = """
import sys, lmdb

environment = lmdb.Environment(sys.argv[1], max_readers=1)
held = [environment.begin() for _ in range(int(sys.argv[2]))]
print("held", flush=True)
sys.stdin.read()
"""

USE_AFTER_FORK = """
import os, sys, trio
from pathlib import Path
from ipvm.errors import Refused
from ipvm.ipld import Block
from ipvm.store.lmdb import Lmdb

store = Lmdb(Path(sys.argv[1]))
block = Block.of(b"a block")
trio.run(store.put, block)
child = os.fork()
if child == 0:
    try:
        trio.run(store.get, block.cid)
    except Refused as refusal:
        os.write(1, str(refusal).encode())
    os._exit(0)
os.waitpid(child, 0)
trio.run(store.get, block.cid)
"""


async def test_processes_write_at_once_and_all_of_it_is_kept(folder: Path, run: Run) -> None:
    with Lmdb(folder) as store:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, PUT_RANGE, folder, 0, 500)
            nursery.start_soon(run, PUT_RANGE, folder, 400, 900)
            for number in range(1000, 1100):
                await store.put(Block.of(b"%d" % number))
        for number in (*range(900), *range(1000, 1100)):
            assert await store.has(Block.of(b"%d" % number).cid)
        assert (await store.statistics()).blocks == 1000
        assert [fault async for fault in Check(store)] == []


@pytest.mark.parametrize("acknowledged", [0, 1, 7])
async def test_a_killed_process_loses_nothing_that_was_acknowledged(
    folder: Path, acknowledged: int
) -> None:
    last = -1
    for _ in range(2):
        command = [sys.executable, "-c", PUT_FOREVER, str(folder), str(last + 1)]
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        assert process.stdout
        said = b""
        async for part in process.stdout:
            said += part
            if said.count(b"\n") > acknowledged:
                process.kill()
        assert await process.wait() == -signal.SIGKILL
        last = int(said.split()[-1])
    with Lmdb(folder) as store:
        for batch in range(last + 1):
            for number in range(100):
                assert await store.has(Block.of(b"%d %d " % (batch, number) * 4000).cid)
        assert [fault async for fault in Check(store)] == []
        await store.put(Block.of(b"and it goes on"))


async def test_a_store_follows_when_another_process_outgrows_its_map(
    folder: Path, run: Run
) -> None:
    small, big = Block.of(b"small"), Block.of(bytes(3_000_000))
    with Lmdb(folder, map_bytes=2**18) as store:
        await store.put(small)
        await run(PUT_ONE_BIG_ONE, folder)
        assert await store.get(big.cid) == big
    with Lmdb(folder, map_bytes=2**18) as store:
        await store.delete(big.cid)
        await store.put(small)
        assert await store.get(small.cid) == small


async def test_a_store_that_was_outgrown_can_be_written_first(folder: Path, run: Run) -> None:
    with Lmdb(folder, map_bytes=2**18) as store:
        await store.put(Block.of(b"small"))
        await run(PUT_ONE_BIG_ONE, folder)
        await store.put(Block.of(b"another"))
        assert (await store.statistics()).blocks == 3


async def test_readers_that_were_killed_leave_room_for_others(folder: Path) -> None:
    block = Block.of(b"a block")
    with Lmdb(folder) as store:
        await store.put(block)
    for _ in range(5):
        killed = await trio.run_process(
            [sys.executable, "-c", HOLD_A_READ_AND_DIE, str(folder)], check=False
        )
        assert killed.returncode == -signal.SIGKILL
    with Lmdb(folder) as store:
        assert await store.get(block.cid) == block
        assert store._environment
        assert store._environment._handle
        readers = store._environment._handle.readers().splitlines()
        assert [line.split()[0] for line in readers[1:]] == [str(os.getpid())]


@asynccontextmanager
async def readers(folder: Path, number: int) -> AsyncIterator[None]:
    """Another process that has so many reads of a store under way."""
    holder = [sys.executable, "-c", HOLD_READS, str(folder), str(number)]
    process = await trio.lowlevel.open_process(
        holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    async with process.stdin, process.stdout:
        said = b""
        while said != b"held\n":
            part = await process.stdout.receive_some()
            assert part, "the other process has ended"
            said += part
        yield
    await process.wait()


async def test_as_many_processes_read_at_once_as_the_bound_says(folder: Path) -> None:
    block = Block.of(b"a block")
    with Lmdb(folder) as store:
        await store.put(block)
    async with readers(folder, STORE_PROCESSES_MAX - 1):
        with Lmdb(folder) as store:
            assert await store.get(block.cid) == block
    async with readers(folder, STORE_PROCESSES_MAX):
        with Lmdb(folder) as store, pytest.raises(StoreUnavailable, match="READERS_FULL"):
            await store.get(block.cid)
    with Lmdb(folder) as store:
        assert await store.get(block.cid) == block


async def test_a_forked_child_is_refused_and_its_parent_goes_on(folder: Path, run: Run) -> None:
    assert "before this process was forked" in await run(USE_AFTER_FORK, folder)


async def test_two_objects_in_one_process_share_the_store(folder: Path) -> None:
    block, other = Block.of(b"one"), Block.of(b"other")
    first, second = Lmdb(folder), Lmdb(folder / ".." / folder.name)
    await first.put(block)
    assert await second.get(block.cid) == block
    first.close()
    await second.put(other)
    second.close()
    second.close()
    assert await first.get(other.cid) == other
    first.close()


async def test_event_loops_in_several_threads_share_the_store(folder: Path) -> None:
    def put_all(first: int) -> None:
        async def put_each() -> None:
            with Lmdb(folder, map_bytes=2**18) as store:
                for number in range(first, first + 100):
                    block = Block.of(b"%d" % number * 1000)
                    await store.put(block)
                    assert await store.get(block.cid) == block

        trio.run(put_each)

    async with trio.open_nursery() as nursery:
        for first in range(0, 400, 100):
            nursery.start_soon(trio.to_thread.run_sync, put_all, first)
    with Lmdb(folder) as store:
        assert (await store.statistics()).blocks == 400


async def test_memory_is_of_one_object() -> None:
    block = Block.of(b"a block")
    await Memory().put(block)
    assert not await Memory().has(block.cid)
