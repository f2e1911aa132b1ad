"""What is fetched for what is asked for: few blocks of large files, and folders a few entries at a time."""

import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, final

import pytest
import trio
from trio.testing import MockClock

from ipvm.errors import IpvmError, NotFound
from ipvm.exchange import BlockService
from ipvm.files import FileReader, Files, NodeNotFound, NodeSource, export
from ipvm.files.balanced import Balanced, file_blocks, leaves
from ipvm.files.decoding import FileNode
from ipvm.files.directory import directory, entry
from ipvm.files.nodes import Written
from ipvm.files.profiles import V1_2025
from ipvm.ipld import Block, BlockNotFound, Cid
from ipvm.store.memory import Memory

MEBIBYTE: Final = 1024 * 1024
READ_BYTES: Final = 64 * 1024
FAR_SECONDS: Final = 0.05


@final
class Counting:
    """Blocks in memory that count what is asked for."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.asked: list[Cid] = []
        self._blocks = {block.cid: block for block in blocks}

    async def get(self, cid: Cid) -> Block:
        await trio.lowlevel.checkpoint()
        self.asked.append(cid)
        if cid not in self._blocks:
            raise BlockNotFound(cid)
        return self._blocks[cid]


@final
class Far:
    """A source of blocks that takes its time."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = {block.cid: block.data for block in blocks}

    async def fetch(self, cid: Cid) -> bytes:
        await trio.sleep(FAR_SECONDS)
        if cid not in self._blocks:
            raise BlockNotFound(cid)
        return self._blocks[cid]


def large_file() -> tuple[Cid, list[Block]]:
    """A file of 10 GiB in a few blocks: all pieces below one inner node are the same one."""
    tree, blocks = Balanced(V1_2025), list[Block]()
    for number in range(10):
        (leaf,), made = leaves([bytes([number]) * MEBIBYTE], V1_2025)
        blocks += made
        for _ in range(1024):
            tree.feed(leaf)
    root = tree.finish()
    assert root.file_bytes == 10 * 1024 * MEBIBYTE
    return root.cid, blocks + tree.made


async def test_a_read_anywhere_in_a_large_file_touches_three_blocks() -> None:
    root, blocks = large_file()
    chance = random.Random(4)
    for _ in range(50):
        source = Counting(blocks)
        piece = chance.randrange(10 * 1024)
        offset = piece * MEBIBYTE + chance.randrange(MEBIBYTE - READ_BYTES)
        data = await Files(source).read(root, offset, READ_BYTES)
        assert data == bytes([piece // 1024]) * READ_BYTES
        assert len(source.asked) <= 3


async def test_one_reader_touches_three_blocks_for_each_read_also_across_pieces() -> None:
    root, blocks = large_file()
    source = Counting(blocks)
    # Pieces are the same here, and would not be elsewhere: they are not kept.
    nodes = NodeSource(source, kept_bytes_max=MEBIBYTE)
    node = await nodes.get(root, "")
    assert isinstance(node, FileNode)
    file = FileReader(nodes, node, "")
    chance = random.Random(5)
    for _ in range(300):
        source.asked.clear()
        offset = chance.choice(
            [
                chance.randrange(file.size - READ_BYTES),
                chance.randrange(1, 10 * 1024) * MEBIBYTE - READ_BYTES // 2,
            ]
        )
        data = await file.read(offset, READ_BYTES)
        numbers = {offset // 1024 // MEBIBYTE, (offset + READ_BYTES - 1) // 1024 // MEBIBYTE}
        assert set(data) == numbers
        assert len(source.asked) <= 3


async def test_of_a_file_that_is_read_in_small_steps_nothing_is_fetched_twice() -> None:
    content = random.Random(6).randbytes(10 * MEBIBYTE + 5)
    root, blocks = file_blocks(content)
    source = Counting(blocks)
    file = await Files(source).open(root)
    steps = range(0, file.size, 40_000)
    assert b"".join([await file.read(start, 40_000) for start in steps]) == content
    assert sorted(source.asked) == sorted(block.cid for block in blocks)


async def test_what_is_missing_ahead_is_no_failure_of_what_is_read() -> None:
    content = random.Random(7).randbytes(4 * MEBIBYTE)
    root, blocks = file_blocks(content)
    (lost,) = [block for block in blocks if block.data == content[2 * MEBIBYTE : 3 * MEBIBYTE]]
    file = await Files(Counting([block for block in blocks if block is not lost])).open(root)
    step = MEBIBYTE // 2
    for start in range(0, 2 * MEBIBYTE, step):
        assert await file.read(start, step) == content[start : start + step]
    with pytest.raises(NodeNotFound, match=str(lost.cid)):
        await file.read(2 * MEBIBYTE, step)


def folder(count: int) -> tuple[Cid, list[Block], Block]:
    """A folder of folders with a file each; and one of the files."""
    blocks: list[Block] = []
    links = []
    file = Block.of(b"")
    for number in range(count):
        file = Block.of(b"%d" % number)
        size = len(file.data)
        inner, made = directory([entry(b"file", Written(file.cid, size, size))], V1_2025)
        links.append(entry(b"%04d" % number, inner))
        blocks += [file, *made]
    root, made = directory(links, V1_2025)
    return root.cid, blocks + made, file


async def walked(files: Files, root: Cid, _: Path) -> int:
    return len([place async for place in await files.walk(root)])


async def listed(files: Files, root: Cid, _: Path) -> int:
    return len([place async for _, place in await files.contents(root)])


async def written(files: Files, root: Cid, path: Path) -> int:
    done = await export(files, await files.resolve(root), str(path))
    return done.files + done.folders


@pytest.mark.parametrize(
    ("work", "count", "waits_max"),
    # The root, and sixteen entries at a time; below each folder is one file.
    [(listed, 64, 1 + 64 / 16), (walked, 129, 1 + 64 / 16 + 64), (written, 129, 1 + 64 / 16 + 64)],
)
async def test_entries_that_are_far_away_are_fetched_together(
    work: Callable[[Files, Cid, Path], Awaitable[int]],
    count: int,
    waits_max: float,
    tmp_path: Path,
    autojump_clock: MockClock,
) -> None:
    root, blocks, _ = folder(64)
    files = Files(BlockService(Memory(), Far(blocks)))
    began = autojump_clock.current_time()
    assert await work(files, root, tmp_path / "out") == count
    assert autojump_clock.current_time() - began == pytest.approx(waits_max * FAR_SECONDS)


async def test_what_stands_before_a_missing_entry_is_given_out_and_it_is_named() -> None:
    root, blocks, lost = folder(12)
    files = Files(Counting([block for block in blocks if block != lost]))
    paths: list[str] = []

    async def walk() -> None:
        async for place in await files.walk(root):
            paths.append(place.path)  # noqa: PERF401 - what was given is to stay

    with pytest.raises(NotFound) as caught:
        await walk()
    assert str(caught.value).startswith(f"{root}/0011/file: no block {lost.cid}")
    assert len(paths) == 1 + 11 * 2 + 1
    assert isinstance(caught.value, IpvmError)
