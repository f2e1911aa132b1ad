"""The row about large folders: adding one with many small files, and listing it."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks.commands import few_rounds, ipvm_command, peak_line, run_command
from benchmarks.measure import OURS, in_turns
from benchmarks.row import Effort, Line, Row
from ipvm.exchange import BlockService, Offline
from ipvm.files import Files
from ipvm.store.lmdb import Lmdb

__all__ = ["ROWS"]

_SHARDED: Final = 6000
"""Files whose folder is sharded, and not many more."""
_FILES_A_SECOND: Final = 10_000
_HASHED: Final = "read and hashed"
_SCANDIR: Final = "os.scandir"


async def files_100000(effort: Effort) -> Sequence[Line]:
    """Add a folder of small files by the command, each time to a new store, and list it."""
    size = effort.size(100_000, _SHARDED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = folder / "files"
        files.mkdir()
        for number in range(size):
            (files / f"file-number-{number}.txt").write_bytes(b"%d" % number * 20)
        stores = (folder / f"store{number}" for number in count())
        add = ["add", "--quieter", str(files)]

        async def ours(_: int) -> None:
            store = next(stores)
            await run_command(ipvm_command(*add), {"IPVM_STORE": str(store)})
            shutil.rmtree(store)

        async def rival(_: int) -> None:
            _hash_all(files)

        adding = await few_rounds({OURS: ours, _HASHED: rival}, effort)
        store = next(stores)
        environment = {"IPVM_STORE": str(store)}
        peak = await peak_line(add, environment)
        root = (await run_command(ipvm_command(*add), environment)).decode().strip()
        return [
            adding.line(_HASHED, part="add", bar=size / _FILES_A_SECOND, bar_on="ours"),
            replace(peak, part="add, peak memory"),
            *await _listing(store, root, files, effort),
            replace(await peak_line(["ls", root], environment), part="list, peak memory"),
        ]


async def _listing(store: Path, root: str, files: Path, effort: Effort) -> Sequence[Line]:
    with Lmdb(store) as blocks:

        async def ours(times: int) -> None:
            for _ in range(times):
                # A new one each time, which keeps nothing from the last.
                listing = await Files(BlockService(blocks, Offline())).listing(root)
                found = len([entry async for entry in listing])
                if found != effort.size(100_000, _SHARDED):
                    raise RuntimeError("not all entries are listed")

        async def rival(times: int) -> None:
            for _ in range(times):
                with os.scandir(files) as entries:
                    len(list(entries))

        rounds = await in_turns({OURS: ours, _SCANDIR: rival}, effort)
    return [rounds.line(_SCANDIR, part="list", bar=1, bar_on="ours")]


def _hash_all(folder: Path) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            with open(entry.path, "rb") as file:  # noqa: PTH123 - as fast as can be
                hashlib.sha256(file.read()).digest()


ROWS: Final = (
    Row(
        "files-100000",
        "adding and listing a folder of 100 000 small files beside hashing each, and os.scandir",
        files_100000,
    ),
)
