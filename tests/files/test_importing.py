"""Files, folders and streams are imported as they are on the disk, or refused in our words."""

import os
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import trio
from hypothesis import given

from ipvm.errors import IpvmError, LimitExceeded, NotFound, Refused
from ipvm.files import cutting, disk
from ipvm.files.balanced import file_blocks
from ipvm.files.directory import InvalidEntry
from ipvm.files.disk import Added, ImportOptions
from ipvm.files.importing import Importer
from ipvm.files.nodes import Written
from ipvm.files.profiles import PROFILES, V0_2015, V1_2025, ImportProfile
from ipvm.files.sources import FileChanged
from ipvm.ipld import DAG_PB, Block, Cid
from ipvm.limits import FOLDER_NESTING_MAX
from ipvm.store import Memory, StoreFull
from ipvm.store.lmdb import Lmdb

Gathered = Callable[..., bytes]


class Kept:
    """Blocks as they were kept; a node may come only after what it links to."""

    def __init__(self) -> None:
        self.blocks: dict[Cid, Block] = {}
        self.added: list[Added] = []

    async def keep(self, blocks: Sequence[Block]) -> None:
        await trio.lowlevel.checkpoint()
        for block in blocks:
            if block.cid.codec == DAG_PB:
                assert all(cid in self.blocks for cid in block.links())
            self.blocks[block.cid] = block

    def tell(self, added: Sequence[Added]) -> None:
        assert all(each.cid in self.blocks for each in added)
        self.added.extend(added)

    def importer(self, **options: Any) -> Importer:  # noqa: ANN401 - options of many types
        return Importer(self.keep, options=ImportOptions(**options), on_added=self.tell)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "inner" / "empty").mkdir(parents=True)
    (folder / "a").write_bytes(b"hello world")
    (folder / "inner" / "b").write_bytes(b"")
    (folder / "inner" / "link").symlink_to("../a")
    (folder / "loop").symlink_to("loop")
    (folder / ".hidden").write_bytes(b"hidden")
    return folder


async def imported(path: Path, kept: Kept, **options: Any) -> Written:  # noqa: ANN401
    return await kept.importer(**options).path(str(path), path.name)


def open_files() -> int:
    return len([*Path("/dev/fd").iterdir()])


async def pieces(data: bytes, ends: Sequence[int]) -> AsyncIterator[bytes]:
    start = 0
    for end in [*sorted(ends), len(data)]:
        await trio.lowlevel.checkpoint()
        yield data[start:end]
        start = max(start, end)


def test_a_stream_has_one_cid_however_its_bytes_arrive(gathered: Gathered) -> None:
    @given(
        st.integers(0, 3000),
        st.lists(st.integers(0, 3000), max_size=8),
        st.integers(1, 40),
        st.integers(2, 7),
        st.sampled_from([*PROFILES.values()]),
    )
    def check(size: int, ends: list[int], chunk: int, links: int, profile: ImportProfile) -> None:
        narrow = replace(profile, chunk_bytes=chunk, links_max=links)
        data = random.Random(size).randbytes(size)
        root, blocks = file_blocks(data, narrow)
        kept = Kept()

        async def run() -> Written:
            importer = kept.importer(profile=narrow)
            written = await importer.stream(pieces(data, [min(end, size) for end in ends]), "")
            assert importer.bytes_read == size
            return written

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cutting, "_SEGMENT_PIECES", 5)
            written = trio.run(run)
        assert (written.cid, written.file_bytes) == (root, size)
        assert kept.blocks.keys() == {block.cid for block in blocks}
        assert gathered(root, kept.blocks.values()) == data

    check()


@pytest.mark.parametrize("profile", PROFILES.values())
async def test_a_large_file_is_cut_by_many_as_by_one(
    tmp_path: Path, profile: ImportProfile, monkeypatch: pytest.MonkeyPatch, kept: Kept
) -> None:
    monkeypatch.setattr(disk, "SMALL_BYTES_MAX", 1000)
    monkeypatch.setattr(cutting, "_SEGMENT_PIECES", 3)
    narrow = replace(profile, chunk_bytes=64, links_max=4)
    for size in (1000, 1001, 4096, 100_000):
        data = random.Random(size).randbytes(size)
        (tmp_path / "file").write_bytes(data)
        written = await imported(tmp_path / "file", kept, profile=narrow)
        assert (written.cid, written.file_bytes) == (file_blocks(data, narrow)[0], size)


async def test_a_folder_is_imported_with_all_that_shows(folder: Path, kept: Kept) -> None:
    root = await imported(folder, kept)
    assert [(each.path, each.kind, each.file_bytes) for each in kept.added] == [
        ("folder/a", "file", 11),
        ("folder/inner/b", "file", 0),
        ("folder/inner/empty", "folder", 0),
        ("folder/inner/link", "symlink", 4),
        ("folder/inner", "folder", 0),
        ("folder/loop", "symlink", 4),
        ("folder", "folder", 0),
    ]
    assert kept.added[-1].cid == root.cid
    node: Any = kept.blocks[root.cid].decode()
    assert [link["Name"] for link in node["Links"]] == ["a", "inner", "loop"]
    with_hidden = await imported(folder, kept, hidden=True)
    node = kept.blocks[with_hidden.cid].decode()
    assert [link["Name"] for link in node["Links"]] == [".hidden", "a", "inner", "loop"]


async def test_what_is_named_may_be_a_symlink_or_hidden(folder: Path, kept: Kept) -> None:
    root = await imported(folder, kept)
    (folder.parent / "way").symlink_to(folder)
    assert (await imported(folder.parent / "way", kept)).cid == root.cid
    assert (await imported(folder / ".hidden", kept)).cid == Cid.of(b"hidden")
    with pytest.raises(Refused, match="loop cannot be read: Too many levels of symbolic links"):
        await imported(folder / "loop", kept)


async def test_a_small_batch_changes_nothing(
    folder: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = await imported(folder, kept)
    monkeypatch.setattr(disk, "_BATCH_BLOCKS", 1)
    monkeypatch.setattr(disk, "SMALL_BYTES_MAX", 3)
    assert await imported(folder, Kept()) == root


async def test_mode_and_time_are_kept_when_asked_for(folder: Path, kept: Kept) -> None:
    path = folder / "a"
    path.chmod(0o640)
    os.utime(path, ns=(0, 1_700_000_000_250_000_000))
    written = await imported(path, kept, preserve_mode=True, preserve_mtime=True)
    node: Any = kept.blocks[written.cid].decode()
    seconds = b"\x80\xe2\xcf\xaa\x06"
    moment = b"\x08" + seconds + b"\x15" + (250_000_000).to_bytes(4, "little")
    mode = b"\x38\xa0\x03"
    message = b"\x08\x02\x12\x0bhello world\x18\x0b" + mode
    assert node == {"Data": message + b"\x42\x0b" + moment, "Links": []}
    alone = await imported(path, kept, preserve_mode=True, profile=V0_2015)
    assert alone.cid.version == 0
    node = kept.blocks[alone.cid].decode()
    assert node == {"Data": message, "Links": []}


async def test_only_the_root_of_a_long_file_has_a_mode(
    tmp_path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "SMALL_BYTES_MAX", 50)
    narrow = replace(V1_2025, chunk_bytes=10, links_max=2)
    for size in (40, 60):
        (tmp_path / "file").write_bytes(bytes(size))
        written = await imported(tmp_path / "file", kept, preserve_mode=True, profile=narrow)
        for block in kept.blocks.values():
            node: Any = block.decode()
            assert (b"\x38\xa4\x03" in node["Data"]) == (block.cid == written.cid)
        kept.blocks.clear()


async def test_a_name_that_is_no_utf8_is_refused(folder: Path, kept: Kept) -> None:
    (folder / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    with pytest.raises(InvalidEntry, match=r"folder: the name 'caf\\xe9' is no UTF-8"):
        await imported(folder, kept)


async def test_what_is_no_file_is_refused_by_its_kind(folder: Path, kept: Kept) -> None:
    os.mkfifo(folder / "pipe")
    for path in (folder, folder / "pipe"):
        with pytest.raises(Refused, match="pipe is a named pipe"):
            await imported(path, kept)
    (folder / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        for path in (folder, folder / "s"):
            with pytest.raises(Refused, match="s is a socket"):
                await imported(path, kept)
    with pytest.raises(Refused, match="null is a device"):
        await imported(Path("/dev/null"), kept)
    assert kept.added == []


async def test_what_is_not_there_or_cannot_be_read_is_told(folder: Path, kept: Kept) -> None:
    for path in (folder / "gone", folder / "a" / "below", Path("with\0zero")):
        with pytest.raises(NotFound, match="is not there"):
            await imported(path, kept)
    (folder / "a").chmod(0)
    if os.access(folder / "a", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(Refused, match="a cannot be read: Permission denied"):
        await imported(folder, kept)


async def test_folders_may_be_nested_as_deep_as_the_bound(tmp_path: Path, kept: Kept) -> None:
    path = tmp_path / "/".join(["d"] * FOLDER_NESTING_MAX)
    path.mkdir(parents=True)
    await imported(tmp_path / "d", kept)
    assert len(kept.added) == FOLDER_NESTING_MAX
    (path / "d").mkdir()
    before = open_files()
    with pytest.raises(LimitExceeded, match="folder_nesting_max is 256"):
        await imported(tmp_path / "d", kept)
    assert open_files() == before


@pytest.mark.parametrize("how", ["longer", "shorter", "other"])
async def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "SMALL_BYTES_MAX", 100)
    monkeypatch.setattr(cutting, "_SEGMENT_PIECES", 2)
    path = tmp_path / "file"
    path.write_bytes(bytes(1000))
    os.utime(path, (0, 0))

    async def change(_blocks: Sequence[Block]) -> None:
        await trio.lowlevel.checkpoint()
        if how == "other":
            os.utime(path, (1, 1))
        else:
            os.truncate(path, {"longer": 2000, "shorter": 500}[how])

    options = ImportOptions(profile=replace(V1_2025, chunk_bytes=10))
    with pytest.raises(FileChanged, match="file changed while it was read; add it again"):
        await Importer(change, options=options).path(str(path), "file")


async def test_a_file_that_vanishes_from_a_folder_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "SMALL_BYTES_MAX", 3)

    async def remove(_blocks: Sequence[Block]) -> None:
        await trio.lowlevel.checkpoint()
        (folder / "z").unlink(missing_ok=True)

    (folder / "z").write_bytes(b"")
    with pytest.raises(NotFound, match="folder/z is not there"):
        await Importer(remove).path(str(folder), "folder")


async def test_a_folder_that_becomes_a_symlink_is_not_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "SMALL_BYTES_MAX", 3)

    async def swap(_blocks: Sequence[Block]) -> None:
        await trio.lowlevel.checkpoint()
        if not (folder / "inner").is_symlink():
            (folder / "inner").rename(folder.parent / "elsewhere")
            (folder / "inner").symlink_to(folder.parent)

    with pytest.raises(IpvmError, match="inner"):
        await Importer(swap).path(str(folder), "folder")


async def test_a_full_store_ends_the_import_and_no_root_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = await imported(folder, Kept())
    monkeypatch.setattr(disk, "_BATCH_BLOCKS", 1)
    store = Memory()

    async def keep(blocks: Sequence[Block]) -> None:
        if any(block.cid == root.cid for block in blocks):
            raise StoreFull(folder, "No space left on device")
        await store.put_many(blocks)

    with pytest.raises(StoreFull):
        await Importer(keep).path(str(folder), "folder")
    assert not await store.has(root.cid)


async def test_an_import_that_is_cancelled_leaves_no_root_and_no_open_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = await imported(folder, Kept())
    for blocks_max in (1, 100):
        monkeypatch.setattr(disk, "_BATCH_BLOCKS", blocks_max)
        before = open_files()
        with trio.CancelScope() as scope:

            async def keep(blocks: Sequence[Block]) -> None:
                assert len(blocks) > 1 or blocks[0].cid != root.cid
                scope.cancel()
                await trio.lowlevel.checkpoint()

            await Importer(keep).path(str(folder), "folder")
        assert scope.cancelled_caught
        assert open_files() == before


async def test_what_a_source_raises_is_raised(kept: Kept) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield bytes(5_000_000)
        raise KeyError("of the caller")

    with pytest.raises(KeyError, match="of the caller"):
        await kept.importer(profile=replace(V1_2025, chunk_bytes=1000)).stream(failing(), "")
    assert kept.added == []


ADD = """
import sys, trio
from pathlib import Path
from ipvm.files.importing import Importer
from ipvm.store.lmdb import Lmdb

async def main():
    with Lmdb(Path(sys.argv[1])) as store:
        def told(added):
            print(*(each.cid for each in added), sep="\\n", flush=True)
        importer = Importer(store.put_many, on_added=told)
        for path in sys.argv[2:]:
            await importer.path(path, path)

trio.run(main)
"""


def killed(command: list[str], lines: int) -> list[str]:
    """Start a process, kill it when it has written some lines, and give them."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline().strip() for _ in range(lines)]
        process.kill()
    return seen


async def test_what_was_told_of_outlives_a_kill_at_any_moment(tmp_path: Path) -> None:
    """The store opens, and holds whole trees of all that was told."""
    paths = []
    for number in range(12):
        path = tmp_path / f"file{number}"
        path.write_bytes(random.Random(number).randbytes(2_500_000))
        paths.append(str(path))
    chance = random.Random(0)
    for _ in range(3):
        told = chance.randrange(1, 8)
        command = [sys.executable, "-c", ADD, str(tmp_path / "store"), *paths]
        seen = await trio.to_thread.run_sync(killed, command, told)
        with Lmdb(tmp_path / "store") as store:
            assert await store.flaws() == []
            for cid in map(Cid.parse, seen):
                node = await store.get(cid)
                for child in node.links():
                    await store.get(child)
