"""What Python has at hand is added: paths, bytes, and pieces of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ipvm
from ipvm.files import file_blocks
from ipvm.files.profiles import V0_2015

DATA = bytes(range(256)) * 10_000


async def pieces() -> AsyncIterator[bytes]:
    for start in range(0, len(DATA), 70_000):
        yield DATA[start : start + 70_000]


async def test_a_path_bytes_and_a_stream_have_the_same_cid(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    root, blocks = file_blocks(DATA)
    async with ipvm.open(store=tmp_path / "store") as node:
        for source in (tmp_path / "file", str(tmp_path / "file"), DATA, pieces()):
            assert await node.add(source) == root
        for block in blocks:
            assert await node.get(block.cid) == block.data
        assert await node.add(DATA, profile="unixfs-v0-2015") == file_blocks(DATA, V0_2015)[0]
        assert await node.add(b"") == ipvm.Cid.of(b"")


def test_it_blocks_where_nobody_waits(tmp_path: Path) -> None:
    with ipvm.sync.open(store=tmp_path / "store") as node:
        assert node.add(DATA, chunk_bytes=1024 * 1024) == file_blocks(DATA)[0]


async def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    async with ipvm.open(store=tmp_path / "store") as node:
        with pytest.raises(ipvm.InvalidArguments, match="there is no profile 'v9'"):
            await node.add(b"", profile="v9")
        for size in (0, 2**21):
            with pytest.raises(ipvm.InvalidArguments, match="1 to 2096896 bytes"):
                await node.add(b"", chunk_bytes=size)
        with pytest.raises(ipvm.NotFound, match="gone is not there"):
            await node.add(tmp_path / "gone")
