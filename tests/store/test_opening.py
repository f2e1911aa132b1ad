"""What a store makes of a folder that is not quite what it expects."""

import os
import random
import shutil
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import lmdb
import pytest

from ipvm.errors import InvalidData, Refused
from ipvm.ipld import Block, BlockMismatch
from ipvm.store import Check, NotAStore, StoreDamaged, StoreReadOnly, StoreTooNew
from ipvm.store.commit import Write
from ipvm.store.lmdb import Lmdb
from ipvm.store.lmdb.records import FORMAT

Run = Callable[..., Awaitable[str]]

BLOCK = Block.of(b"a block")

AS_NOBODY = """
import os, sys, tempfile, trio
from pathlib import Path
from ipvm.errors import IpvmError
from ipvm.ipld import Block
from ipvm.store.commit import Write
from ipvm.store.lmdb import Lmdb

block = Block.of(b"a block")
with tempfile.TemporaryDirectory() as first, Lmdb(Path(first)) as store:
    trio.run(store.put, block)  # imports all that nobody may not be allowed to read later
if os.geteuid() == 0:
    os.setuid(65534)
for step in (lambda store: trio.run(store.get, block.cid).data.decode(),
             lambda store: trio.run(store.put, Block.of(b"another"))):
    with Lmdb(Path(sys.argv[1])) as store:
        try:
            print(step(store))
        except IpvmError as condition:
            print(type(condition).__name__, condition)
"""


async def test_asking_a_store_that_is_not_there_makes_nothing(folder: Path) -> None:
    with Lmdb(folder) as store:
        assert not await store.has(BLOCK.cid)
        await store.delete(BLOCK.cid)
        await store.put_many([])
        assert await store.multihashes() == ()
        assert await store.flaws() == ()
        numbers = await store.statistics()
        assert (numbers.blocks, numbers.block_bytes, numbers.path) == (0, 0, folder)
    assert names(folder.parent) == []


async def test_the_first_put_makes_the_folder_and_those_above_it(tmp_path: Path) -> None:
    folder = tmp_path / "above" / "store"
    with Lmdb(folder) as store:
        assert not await store.has(BLOCK.cid)
        await store.put(BLOCK)
        assert await store.get(BLOCK.cid) == BLOCK
    assert names(folder) == ["data.mdb", "lock.mdb"]


async def test_an_empty_folder_becomes_a_store(tmp_path: Path) -> None:
    with Lmdb(tmp_path) as store:
        assert not await store.has(BLOCK.cid)
        await store.put(BLOCK)
        assert await store.has(BLOCK.cid)


async def test_a_store_whose_making_was_interrupted_is_made_again(folder: Path) -> None:
    write(folder / "lock.mdb")
    write(folder / "data.mdb")
    with Lmdb(folder) as store:
        assert not await store.has(BLOCK.cid)
        await store.put(BLOCK)
        assert await store.get(BLOCK.cid) == BLOCK


async def test_a_store_that_is_removed_while_it_is_open_is_made_anew_by_a_put(
    folder: Path,
) -> None:
    other = Block.of(b"another")
    with Lmdb(folder) as store:
        await store.put(BLOCK)
        shutil.rmtree(folder)
        await store.put(other)
    with Lmdb(folder) as store:
        assert await store.get(other.cid) == other
        assert (await store.statistics()).blocks == 1


async def test_a_folder_with_other_files_is_left_alone(folder: Path) -> None:
    write(folder / "thesis.txt", b"all my work")
    await assert_refused(folder, NotAStore, "thesis.txt")
    assert names(folder) == ["thesis.txt"]


async def test_a_file_is_not_a_store(folder: Path) -> None:
    write(folder, b"a file")
    await assert_refused(folder, NotAStore, "Not a directory")
    await assert_refused(folder / "below", NotAStore, "Not a directory")


async def test_a_loop_of_links_is_not_a_store(tmp_path: Path) -> None:
    folder = tmp_path / "loop"
    link(folder, folder)
    await assert_refused(folder, NotAStore, "symbolic links")


async def test_the_file_of_another_program_is_not_a_store(tmp_path: Path) -> None:
    with lmdb.Environment(str(tmp_path)) as other, other.begin(write=True) as transaction:
        transaction.put(b"key", b"value")
    await assert_refused(tmp_path, NotAStore, "another program")


async def test_a_file_that_is_not_lmdb_is_not_a_store(folder: Path) -> None:
    write(folder / "data.mdb", b"something else" * 1000)
    await assert_refused(folder, NotAStore, "not an LMDB file")


async def test_a_store_of_a_newer_version_names_both_versions(folder: Path) -> None:
    with Lmdb(folder) as store:
        await store.put(BLOCK)
    with lmdb.Environment(str(folder)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"mversion", b"%d" % (FORMAT + 1))
    await assert_refused(folder, StoreTooNew, rf"has format {FORMAT + 1}.*knows format {FORMAT}")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
async def test_a_file_that_is_cut_off_is_damaged(folder: Path, kept: float) -> None:
    with Lmdb(folder) as store:
        await store.put_many([Block.of(bytes([number]) * 10_000) for number in range(50)])
    size = (folder / "data.mdb").stat().st_size
    os.truncate(folder / "data.mdb", int(size * kept))
    await assert_refused(folder, StoreDamaged, "cut off")


async def test_a_file_may_lack_pages_that_nothing_is_in(folder: Path) -> None:
    """LMDB never writes pages that one transaction takes and frees again, not even the last."""
    with Lmdb(folder) as store:
        await store.put(BLOCK)
    missing = free_pages_at_the_end(folder)
    for _ in range(2):
        with Lmdb(folder) as store:
            assert await store.get(BLOCK.cid) == BLOCK
            assert await store.flaws() == []
    assert missing > 0
    assert missing_bytes(folder) == 0


async def test_a_commit_leaves_no_pages_missing(folder: Path) -> None:
    chance = random.Random(1)
    with Lmdb(folder) as store:
        await store.put(BLOCK)
        assert store._environment
        for _ in range(60):
            blocks = [Block.of(chance.randbytes(chance.choice([100, 5000]))) for _ in range(100)]
            writes: list[Write] = [(block.cid.multihash, block.data) for block in blocks]
            writes += [(block.cid.multihash, None) for block in blocks[::2]]
            store._environment.write([writes])
            assert missing_bytes(folder) == 0


async def test_a_file_that_ends_in_its_header_is_refused(folder: Path) -> None:
    with Lmdb(folder) as store:
        await store.put(BLOCK)
    for size in (4097, 4096, 100, 1):
        os.truncate(folder / "data.mdb", size)
        await assert_refused(folder, InvalidData, "store")


async def test_rotten_bytes_are_never_returned_and_heal_when_they_are_put_again(
    folder: Path,
) -> None:
    block = Block.of(b"\x5a" * 10_000)
    with Lmdb(folder) as store:
        await store.put(block)
    file = folder / "data.mdb"
    data = file.read_bytes()
    assert data.count(block.data) == 1
    file.write_bytes(data.replace(block.data, b"\x5a" * 9_999 + b"\x5b"))
    with Lmdb(folder) as store:
        with pytest.raises(BlockMismatch):
            await store.get(block.cid)
        assert await store.has(block.cid)
        await store.put(block)
        assert await store.get(block.cid) == block
        assert (await store.statistics()).block_bytes == 10_000


async def test_a_store_that_may_only_be_read_is_read(public_folder: Path, run: Run) -> None:
    folder = await make_store(public_folder)
    permit(folder / "data.mdb", 0o444)
    permit(folder / "lock.mdb", 0o666)
    permit(folder, 0o555)
    read, written = (await run(AS_NOBODY, folder)).splitlines()
    permit(folder, 0o755)
    assert read == "a block"
    assert written.startswith("StoreReadOnly ")
    assert str(folder) in written


async def test_a_store_whose_lock_may_not_be_taken_is_refused(
    public_folder: Path, run: Run
) -> None:
    folder = await make_store(public_folder)
    permit(folder / "lock.mdb", 0o444)
    permit(folder, 0o555)
    answers = (await run(AS_NOBODY, folder)).splitlines()
    permit(folder, 0o755)
    assert [answer.split()[0] for answer in answers] == ["StoreReadOnly", "StoreReadOnly"]
    assert "lock.mdb" in answers[0]


async def test_a_store_cannot_be_made_where_writing_is_forbidden(
    public_folder: Path, run: Run
) -> None:
    permit(public_folder, 0o555)
    read, written = (await run(AS_NOBODY, public_folder / "store")).splitlines()
    assert read.startswith("BlockNotFound ")
    assert written.startswith("StoreReadOnly ")


@pytest.mark.parametrize("removed", [[], ["lock.mdb"]])
async def test_a_store_on_a_read_only_medium_is_read(
    tmp_path: Path, administer: Callable[..., None], removed: list[str]
) -> None:
    folder = await make_store(tmp_path)
    for name in removed:
        (folder / name).unlink()
    administer("mount", "--bind", folder, folder)
    try:
        administer("mount", "-o", "remount,ro,bind", folder)
        with Lmdb(folder) as store:
            assert await store.get(BLOCK.cid) == BLOCK
            assert [fault async for fault in Check(store)] == []
            with pytest.raises(StoreReadOnly):
                await store.put(Block.of(b"another"))
    finally:
        administer("umount", folder)
    with Lmdb(folder) as store:
        await store.put(Block.of(b"another"))


def free_pages_at_the_end(folder: Path) -> int:
    """Write and delete until the file is shorter than its header says; return by how much."""
    chance = random.Random(0)
    with lmdb.Environment(str(folder), map_size=2**30) as environment:
        keys: list[bytes] = []
        while not missing_bytes(folder):
            with environment.begin(write=True) as transaction:
                for _ in range(chance.randrange(1, 300)):
                    if keys and chance.random() < 0.5:
                        transaction.delete(keys.pop(chance.randrange(len(keys))))
                    else:
                        keys.append(chance.randbytes(34))
                        transaction.put(keys[-1], bytes(chance.choice([10, 1000, 5000, 20_000])))
    return missing_bytes(folder)


def missing_bytes(folder: Path) -> int:
    """By how much the file is shorter than its header says, read from the newer of its two."""
    data = (folder / "data.mdb").read_bytes()
    headers = [struct.unpack_from("=QQ", data, page * 4096 + 16 + 24 + 96) for page in (0, 1)]
    _, last_page = max((int(number), int(last_page)) for last_page, number in headers)
    return max(0, (last_page + 1) * 4096 - len(data))


def write(file: Path, data: bytes = b"") -> None:
    """Write a file, in a folder that need not exist."""
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data)


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def permit(path: Path, mode: int) -> None:
    path.chmod(mode)


def names(folder: Path) -> list[str]:
    """What is in a folder; nothing if there is none."""
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


async def make_store(parent: Path) -> Path:
    folder = parent / "store"
    with Lmdb(folder) as store:
        await store.put(BLOCK)
    return folder


async def assert_refused(folder: Path, condition: type[InvalidData | Refused], says: str) -> None:
    """Every use raises `condition`, with the place of the store and `says` in the message."""
    with Lmdb(folder) as store:
        for use in (store.has(BLOCK.cid), store.put(BLOCK), store.delete(BLOCK.cid)):
            with pytest.raises(condition, match=says) as caught:
                await use
            assert str(folder) in str(caught.value)


async def test_a_folder_whose_name_is_not_utf_8_is_a_folder(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/\xff"))
    block = Block.of(b"kept")
    with Lmdb(folder) as store:
        await store.put(block)
    with Lmdb(folder) as store:
        assert await store.get(block.cid) == block
