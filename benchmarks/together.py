"""Rows about many guests at once: those that wait, and those that compute."""

import itertools
import os
import resource
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, final

import trio

import ipvm
from benchmarks.guests import guest
from benchmarks.measure import beside, compared
from benchmarks.programs import in_memory, loaded
from benchmarks.row import Effort, Line, Row
from ipvm.ipld import BlockNotFound
from ipvm.testing import Library

__all__ = ["ROWS"]

_WAIT_SECONDS: Final = 0.1
_MEGABYTE: Final = 1_000_000


@final
class Slow:
    """A Source that answers after a while.

    It holds plain bytes by plain bytes, which the garbage collector need not walk.

    Attributes:
        resident_bytes: Memory of the process when a whole crowd was waiting for the first time.
    """

    def __init__(self, blocks: Mapping[bytes, bytes], *, crowd: int) -> None:
        self.resident_bytes = 0
        self._blocks = blocks
        self._crowd = crowd
        self._waiting = 0

    async def fetch(self, cid: ipvm.Cid) -> bytes:
        """Return the bytes of a block."""
        data = self._blocks.get(bytes(cid))
        if data is None:
            raise BlockNotFound(cid)
        self._waiting += 1
        if self._waiting == self._crowd and not self.resident_bytes:
            self.resident_bytes = _resident_bytes()
        await trio.sleep(_WAIT_SECONDS)
        self._waiting -= 1
        return data


async def waiting_1000(effort: Effort) -> Sequence[Line]:
    """Wait for a block of its own in each of a thousand guests at once, and in one."""
    guests = effort.size(1000, 20)
    rounds = min(effort.rounds, 5)
    library = Library()
    signature = ipvm.Signature(params=("link",), results=("i32",))
    cid = library.manifest(guest("open"), exports={"f": signature})
    numbers = [str(number).encode() for number in range((guests + 1) * rounds + 1)]
    absent = {bytes(ipvm.Cid.of(data)): data for data in numbers}
    links = iter(absent)
    source = Slow(absent, crowd=guests)
    seconds: list[tuple[float, float]] = []
    async with in_memory(library, source) as node:
        function = (await node.load(cid))["f"]
        await _seconds(function, links, 1)
        before = _resident_bytes()
        for _ in range(rounds):
            alone = await _seconds(function, links, 1)
            seconds.append((await _seconds(function, links, guests), alone))
    more = (source.resident_bytes - before) / _MEGABYTE
    return [compared(seconds, bar=3), Line(part="memory more", ours=more, unit="MB", bar=50)]


async def _seconds(function: ipvm.Function, links: Iterator[bytes], guests: int) -> float:
    chosen = [ipvm.Cid.decode(link) for link in itertools.islice(links, guests)]
    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for link in chosen:
            nursery.start_soon(function, link)
    return time.perf_counter() - began


def _resident_bytes() -> int:
    """Give the memory that this process occupies."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


async def cpu_bound(effort: Effort) -> Sequence[Line]:
    """Compute in four guests at once, and in one after the other."""
    rounds = effort.size(50_000_000, 1000)
    guests = 4

    async with loaded("spin") as function:

        async def ours(times: int) -> None:
            for _ in range(times):
                await _at_once(function, rounds, guests)

        async def rival(times: int) -> None:
            for _ in range(times):
                for _ in range(guests):
                    await function(rounds)

        return [await beside(ours, rival, effort)]


async def _at_once(function: Callable[[int], Awaitable[object]], rounds: int, guests: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(guests):
            nursery.start_soon(function, rounds)


ROWS: Final = (
    Row(
        "waiting-1000",
        f"1000 guests that each wait {_WAIT_SECONDS * 1000:.0f} ms for a block beside one of them",
        waiting_1000,
    ),
    Row(
        "cpu-bound",
        f"4 guests that compute at once beside one after the other ({os.cpu_count()} cores here)",
        cpu_bound,
    ),
)
