"""Stores on the disk for the tests, and other processes that use them too."""

import itertools
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio

from ipvm.store import Blockstore, Memory
from ipvm.store.lmdb import Lmdb


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a store may be made; it does not exist yet."""
    return tmp_path / "store"


@pytest.fixture
def lmdb_store(folder: Path) -> Iterator[Lmdb]:
    with Lmdb(folder) as store:
        yield store


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture(params=["memory", "lmdb"])
def make_store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[], AbstractAsyncContextManager[Blockstore]]:
    @asynccontextmanager
    async def memory() -> AsyncIterator[Blockstore]:
        yield Memory()

    folders = (tmp_path / str(number) for number in itertools.count())

    @asynccontextmanager
    async def lmdb() -> AsyncIterator[Blockstore]:
        with Lmdb(next(folders)) as store:
            yield store

    return memory if request.param == "memory" else lmdb


@pytest.fixture
def run() -> Callable[..., Awaitable[str]]:
    """Run a script in another process and return what it printed. It must not fail."""

    async def run(script: str, *arguments: object) -> str:
        command = [sys.executable, "-c", script, *map(str, arguments)]
        done = await trio.run_process(
            command, capture_stdout=True, capture_stderr=True, check=False
        )
        assert done.returncode == 0, (done.returncode, done.stderr.decode())
        return done.stdout.decode()

    return run
