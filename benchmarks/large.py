"""The rows about large files: adding, writing out, and reading a little anywhere."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Final, final

import trio

import ipvm
from benchmarks.commands import few_rounds, ipvm_command, peak_line, run_command
from benchmarks.measure import OURS, Side, in_turns
from benchmarks.row import Effort, Line, Row, Unmeasurable
from ipvm.exchange import BlockService, Offline
from ipvm.files import Files
from ipvm.files.balanced import Balanced, leaves
from ipvm.files.profiles import V1_2025
from ipvm.store.lmdb import Lmdb

__all__ = ["ROWS"]

_MEBIBYTE: Final = 1024 * 1024
_HASHED: Final = "hashlib, written"
_CAT: Final = "cat"
_PREAD: Final = "os.pread"
_READ_BYTES: Final = 64 * 1024
_HASH_AND_WRITE: Final = """
import hashlib, os, sys
digest = hashlib.sha256()
with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as target:
    while piece := source.read(1024 * 1024):
        digest.update(piece)
        target.write(piece)
    target.flush()
    os.fsync(target.fileno())
"""


async def add_1g(effort: Effort) -> Sequence[Line]:
    """Add a large file by the command, each time to a new store."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = _random_file(folder, effort)
        numbers = count()

        async def ours(_: int) -> None:
            store = folder / f"store{next(numbers)}"
            await run_command(
                ipvm_command("add", "--quieter", str(file)), {"IPVM_STORE": str(store)}
            )
            shutil.rmtree(store)

        async def rival(_: int) -> None:
            target = folder / "copy"
            await run_command([sys.executable, "-c", _HASH_AND_WRITE, str(file), str(target)], {})
            target.unlink()

        rounds = await few_rounds({OURS: ours, _HASHED: rival}, effort)
        store = {"IPVM_STORE": str(folder / "peak")}
        peak = await peak_line(["add", "--quieter", str(file)], store)
    return [rounds.line(_HASHED, bar=1.5), peak]


async def cat_1g(effort: Effort) -> Sequence[Line]:
    """Write a large file out of the store: into a pipe that somebody reads, and to the disk."""
    if shutil.which(_CAT) is None:
        raise Unmeasurable("cat is not installed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = _random_file(folder, effort)
        store = {"IPVM_STORE": str(folder / "store")}
        added = await run_command(ipvm_command("add", "--quieter", str(file)), store)
        arguments = ["cat", added.decode().strip()]
        command = ipvm_command(*arguments)
        piped = {OURS: _piped(command, store), _CAT: _piped([_CAT, str(file)], {})}
        target = folder / "target"
        to_disk = {
            OURS: _to_disk(command, store, target),
            _CAT: _to_disk([_CAT, str(file)], {}, target),
        }
        pipe = await few_rounds(piped, effort)
        disk = await few_rounds(to_disk, effort)
        peak = await peak_line(arguments, store)
    return [
        pipe.line(_CAT, part="into a pipe", bar=3),
        disk.line(_CAT, part="to the disk", bar=3),
        peak,
    ]


async def random_read(effort: Effort) -> Sequence[Line]:
    """Read 64 KiB anywhere in a file of 10 GiB, that has the same piece again and again."""
    inner = effort.size(10, 2)
    with tempfile.TemporaryDirectory() as name, Lmdb(Path(name) / "store") as store:
        root, size = await _repeating(store, inner)
        blocks = _Counting(BlockService(store, Offline()))
        chance = random.Random(0)  # noqa: S311 - any places do
        touched: list[int] = []

        async def ours(times: int) -> None:
            for _ in range(times):
                blocks.asked = 0
                start = chance.randrange(size // _MEBIBYTE) * _MEBIBYTE
                offset = start + chance.randrange(_MEBIBYTE - _READ_BYTES)
                await Files(blocks).read(root, offset, _READ_BYTES)
                touched.append(blocks.asked)

        sparse = Path(name) / "sparse"
        with sparse.open("wb+") as file:
            file.truncate(size)

            async def rival(times: int) -> None:
                for _ in range(times):
                    os.pread(file.fileno(), _READ_BYTES, chance.randrange(size - _READ_BYTES))

            rounds = await in_turns({OURS: ours, _PREAD: rival}, effort)
    most = Line(part="blocks touched", ours=max(touched), unit="blocks", bar=3, bar_on="ours")
    return [rounds.line(_PREAD), most]


@final
class _Counting:
    """Blocks, and how many were asked for."""

    def __init__(self, blocks: BlockService) -> None:
        self.asked = 0
        self._blocks = blocks

    async def get(self, cid: ipvm.Cid) -> ipvm.Block:
        self.asked += 1
        return await self._blocks.get(cid)


async def _repeating(store: Lmdb, inner: int) -> tuple[ipvm.Cid, int]:
    """Keep a file of so many inner nodes with a full number of pieces, and give its root."""
    tree = Balanced(V1_2025)
    for number in range(inner):
        (leaf,), made = leaves([bytes([number]) * _MEBIBYTE], V1_2025)
        await store.put_many(made)
        for _ in range(V1_2025.links_max):
            tree.feed(leaf)
    root = tree.finish()
    await store.put_many(tree.made)
    return root.cid, root.file_bytes


def _random_file(folder: Path, effort: Effort) -> Path:
    file = folder / "file"
    with file.open("wb") as target:
        for _ in range(effort.size(1024, 4)):
            target.write(os.urandom(_MEBIBYTE))
    return file


def _piped(command: Sequence[str], environment: Mapping[str, str]) -> Side:
    """Give the side that writes into a pipe, which is read as fast as can be."""

    def drain() -> None:
        room = bytearray(_MEBIBYTE)
        with subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.PIPE, bufsize=0
        ) as process:
            assert process.stdout is not None
            while os.readv(process.stdout.fileno(), [room]):
                pass
        if process.returncode:
            raise RuntimeError(f"{command[0]} failed")

    async def side(_: int) -> None:
        await trio.to_thread.run_sync(drain)

    return side


def _to_disk(command: Sequence[str], environment: Mapping[str, str], target: Path) -> Side:
    async def side(_: int) -> None:
        with target.open("wb") as file:
            await trio.run_process(list(command), env={**os.environ, **environment}, stdout=file)
        target.unlink()  # noqa: ASYNC240 - nothing else runs

    return side


ROWS: Final = (
    Row("add-1g", "`ipvm add` of 1 GiB beside hashing it and writing it to the disk", add_1g),
    Row("cat-1g", "`ipvm cat` of 1 GiB from the store beside `cat` of the file", cat_1g),
    Row("random-read", "64 KiB anywhere in a file of 10 GiB beside os.pread", random_read),
)
