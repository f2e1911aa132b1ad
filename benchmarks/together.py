"""The row about many guests that wait at once."""

import itertools
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import trio

import ipvm
from benchmarks.guests import guest
from benchmarks.measure import OURS, Rounds
from benchmarks.programs import in_memory
from benchmarks.row import Effort, Line, Row
from ipvm.ipld import BlockNotFound
from ipvm.testing import Library

__all__ = ["ROWS"]

_ONE: Final = "one of them"
_PLAIN: Final = "1000 fetches, no guests"
_WAIT_SECONDS: Final = 0.1
_MEGABYTE: Final = 1_000_000


@final
class Slow:
    """A Source that answers after a while.

    It holds plain bytes by plain bytes, which the garbage collector need not walk.
    """

    def __init__(self, blocks: Mapping[bytes, bytes]) -> None:
        self._blocks = blocks

    async def fetch(self, cid: ipvm.Cid) -> bytes:
        """Return the bytes of a block."""
        data = self._blocks.get(bytes(cid))
        if data is None:
            raise BlockNotFound(cid)
        await trio.sleep(_WAIT_SECONDS)
        return data


@dataclass(frozen=True, slots=True)
class _Crowd:
    """A function that opens the block of a link, and links to blocks that are far away."""

    node: ipvm.Node
    function: ipvm.Function
    links: Iterator[bytes]


@asynccontextmanager
async def _crowd(blocks: int) -> AsyncIterator[_Crowd]:
    library = Library()
    signature = ipvm.Signature(params=("link",), results=("i32",))
    cid = library.manifest(guest("open"), exports={"f": signature})
    numbers = (str(number).encode() for number in range(blocks))
    absent = {bytes(ipvm.Cid.of(data)): data for data in numbers}
    async with in_memory(library, Slow(absent)) as node:
        yield _Crowd(node, (await node.load(cid))["f"], iter(absent))


async def waiting_1000(effort: Effort) -> Sequence[Line]:
    """Wait for a block of its own in each of a thousand guests at once, and in one."""
    guests = effort.size(1000, 20)
    rounds = min(effort.rounds, 5)
    seconds: dict[str, list[float]] = {OURS: [], _ONE: [], _PLAIN: []}
    async with _crowd((2 * guests + 1) * rounds + 1) as crowd:
        await _seconds(crowd.function, crowd.links, 1)
        for _ in range(rounds):
            seconds[_ONE].append(await _seconds(crowd.function, crowd.links, 1))
            seconds[OURS].append(await _seconds(crowd.function, crowd.links, guests))
            seconds[_PLAIN].append(await _seconds(crowd.node.get, crowd.links, guests))
    command = [sys.executable, "-m", "benchmarks.together", str(guests)]
    more = int((await trio.run_process(command, capture_stdout=True)).stdout) / _MEGABYTE
    return [
        *Rounds(seconds).lines({_ONE: 3, _PLAIN: None}),
        Line(part="memory more", ours=more, unit="MB", bar=50, bar_on="ours"),
    ]


async def grown_bytes(guests: int) -> int:
    """Tell by how much this process grows at most, from after one guest, when many wait at once.

    It has to be a fresh process: in one that has done other things there is free memory already.
    """
    async with _crowd(guests + 1) as crowd:
        await _seconds(crowd.function, crowd.links, 1)
        before = _occupied_bytes("VmRSS")
        await _seconds(crowd.function, crowd.links, guests)
    return _occupied_bytes("VmHWM") - before


async def _seconds(
    function: Callable[[ipvm.Cid], Awaitable[object]], links: Iterator[bytes], guests: int
) -> float:
    """Call a function with that many links at once."""
    chosen = [ipvm.Cid.decode(link) for link in itertools.islice(links, guests)]
    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for link in chosen:
            nursery.start_soon(function, link)
    return time.perf_counter() - began


def _occupied_bytes(name: str) -> int:
    """Give how much memory this process occupies (VmRSS), or occupied at the most (VmHWM).

    `getrusage` does not do: it also counts what the parent occupied when it started this process.
    """
    status = Path("/proc/self/status").read_text("ascii")
    found = re.search(rf"^{name}:\s*(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


ROWS: Final = (
    Row(
        "waiting-1000",
        f"1000 guests that each wait {_WAIT_SECONDS * 1000:.0f} ms for a block beside one of them",
        waiting_1000,
    ),
)

if __name__ == "__main__":
    print(trio.run(grown_bytes, int(sys.argv[1])))
