import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from ipvm.errors import Refused
from ipvm.ipld import Block
from ipvm.store.commit import GroupCommit, Write
from ipvm.store.lmdb import Lmdb


class Disk:
    """Counts commits, and holds them while its gate is shut."""

    def __init__(self) -> None:
        self.commits: list[Sequence[Write]] = []
        self.gate = threading.Event()
        self.began = trio.Event()
        self.failure: Refused | None = None

    def commit(self, writes: Sequence[Write]) -> None:
        trio.from_thread.run_sync(self.began.set)
        assert self.gate.wait(timeout=30)
        if self.failure:
            raise self.failure
        self.commits.append(writes)


def write(number: int) -> list[Write]:
    return [(b"%d" % number, b"")]


async def test_a_thousand_writes_at_once_share_a_commit() -> None:
    disk = Disk()
    disk.gate.set()
    commits = GroupCommit(disk.commit)
    async with trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(commits.submit, write(number))
    assert sorted(key for batch in disk.commits for key, _ in batch) == sorted(
        b"%d" % number for number in range(1000)
    )
    assert len(disk.commits) == 1


async def test_what_arrives_during_a_commit_shares_the_next_one() -> None:
    disk = Disk()
    commits = GroupCommit(disk.commit)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commits.submit, write(0))
        await disk.began.wait()
        for number in range(1, 100):
            nursery.start_soon(commits.submit, write(number))
        await trio.testing.wait_all_tasks_blocked()
        disk.gate.set()
    assert [len(batch) for batch in disk.commits] == [1, 99]


async def test_writes_of_one_task_are_committed_in_their_order() -> None:
    disk = Disk()
    disk.gate.set()
    await GroupCommit(disk.commit).submit([*write(1), *write(2), (b"1", None)])
    assert disk.commits == [[(b"1", b""), (b"2", b""), (b"1", None)]]


async def test_a_commit_that_has_begun_is_finished_for_a_cancelled_task() -> None:
    disk = Disk()
    commits = GroupCommit(disk.commit)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commits.submit, write(0))
        await disk.began.wait()
        nursery.cancel_scope.cancel()
        disk.gate.set()
    assert disk.commits == [write(0)]


async def test_a_task_that_is_cancelled_while_it_waits_takes_its_writes_back() -> None:
    disk = Disk()
    commits = GroupCommit(disk.commit)
    cancelled = trio.CancelScope()

    async def give_up() -> None:
        with cancelled:
            await commits.submit(write(1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(commits.submit, write(0))
        await disk.began.wait()
        nursery.start_soon(give_up)
        nursery.start_soon(commits.submit, write(2))
        await trio.testing.wait_all_tasks_blocked()
        cancelled.cancel()
        await trio.testing.wait_all_tasks_blocked()
        disk.gate.set()
    assert disk.commits == [write(0), write(2)]


async def test_a_failed_commit_fails_those_who_shared_it_and_nobody_after() -> None:
    disk = Disk()
    disk.gate.set()
    disk.failure = Refused("the disk is full")
    commits = GroupCommit(disk.commit)
    failures = []

    async def fail(number: int) -> None:
        with pytest.raises(Refused, match="the disk is full") as caught:
            await commits.submit(write(number))
        failures.append(caught.value)

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(fail, number)
    assert len(failures) == 10
    disk.failure = None
    await commits.submit(write(11))
    assert disk.commits == [write(11)]


async def test_a_thousand_puts_cost_the_disk_a_few_commits(lmdb_store: Lmdb) -> None:
    await lmdb_store.put(Block.of(b"the store exists"))
    before = _commits(lmdb_store)
    async with trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(lmdb_store.put, Block.of(b"%d" % number))
    assert _commits(lmdb_store) - before <= 3
    assert (await lmdb_store.statistics()).blocks == 1001


async def test_putting_what_is_there_costs_no_commit(lmdb_store: Lmdb) -> None:
    blocks = [Block.of(b"%d" % number) for number in range(10)]
    await lmdb_store.put_many(blocks)
    before = _commits(lmdb_store)
    await lmdb_store.put_many(blocks)
    assert _commits(lmdb_store) == before


async def test_a_big_batch_is_split_into_bounded_commits(lmdb_store: Lmdb) -> None:
    await lmdb_store.put(Block.of(b"the store exists"))
    before = _commits(lmdb_store)
    await lmdb_store.put_many([Block.of(bytes([number]) * 2**22) for number in range(20)])
    assert _commits(lmdb_store) - before == 5  # 80 MiB, 32 MiB in each, and a lease around them


async def test_every_commit_waits_for_the_disk(folder: Path) -> None:
    with Lmdb(folder) as store:
        await store.put(Block.of(b"the store exists"))
        assert store._environment
        assert store._environment._handle
        flags = store._environment._handle.flags()
        assert flags["sync"]
        assert flags["metasync"]
        assert not flags["writemap"]


def _commits(store: Lmdb) -> int:
    """The number of commits that the file has seen."""
    assert store._environment
    return store._environment._current().info()["last_txnid"]
