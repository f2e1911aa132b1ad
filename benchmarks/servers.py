"""Servers to fetch from, each in a process of its own, so that it has a core of its own, and fetching."""

import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio

from ipvm.exchange import BlockService, Source
from ipvm.ipld import Block
from ipvm.store import Memory

__all__ = ["fetched", "server"]

_LINE_BYTES: Final = 1000


async def fetched(source: Source, blocks: Sequence[Block], together: int) -> float:
    """Fetch blocks into a store in memory, verified, some at once, and tell the seconds."""
    left, service = iter(blocks), BlockService(Memory(), source)

    async def fetch_some() -> None:
        for block in left:
            await service.get(block.cid)

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(together):
            nursery.start_soon(fetch_some)
    return time.perf_counter() - began


@asynccontextmanager
async def server(module: str, *arguments: object) -> AsyncIterator[str]:
    """Run a module that prints its address and serves until it is ended, and give the address."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(_run, command)
        try:
            assert process.stdout
            yield (await process.stdout.receive_some(_LINE_BYTES)).decode().strip()
        finally:
            nursery.cancel_scope.cancel()


async def _run(command: Sequence[str], *, task_status: "trio.TaskStatus[trio.Process]") -> None:
    await trio.run_process(command, stdout=-1, check=False, task_status=task_status)
