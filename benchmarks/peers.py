"""The rows about peers: blocks over Bitswap, beside those that Helia gets from Helia."""

import gc
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from statistics import median
from typing import Final

import trio

from benchmarks.helia import made, open_helia
from benchmarks.measure import OURS, Rounds
from benchmarks.row import Effort, Line, Row, Unmeasurable, optional
from benchmarks.servers import fetched, server
from ipvm.errors import NotFound
from ipvm.exchange.peering import Peering, open_peering
from ipvm.store import Memory

__all__ = ["ROWS"]

_RIVAL: Final = "helia from helia"
_ROUNDS_MAX: Final = 5
_PROBES: Final = 50
_LOOPBACK: Final = "/ip4/127.0.0.1/tcp/0"


async def _small(effort: Effort) -> Sequence[Line]:
    """Fetch blocks of 1 KiB, 256 at once."""
    return await _beside_helia(effort, effort.size(10_000, 20), 1024, together=256, bar=1 / 3)


async def _large(effort: Effort) -> Sequence[Line]:
    """Fetch blocks of 256 KiB, 16 at once."""
    return await _beside_helia(effort, effort.size(1000, 5), 262_144, together=16, bar=1 / 1.3)


async def _beside_helia(
    effort: Effort, count: int, size: int, *, together: int, bar: float
) -> Sequence[Line]:
    rounds = min(effort.rounds, _ROUNDS_MAX)
    seconds: dict[str, list[float]] = {OURS: []}
    async with _server(count, size) as address:
        for _ in range(rounds):
            effort.tell(OURS)
            seconds[OURS].append(await _fetched(address, count, size, together))
    rivals: list[float] = []
    with optional(effort):
        async with open_helia() as server:
            await server.make(count, size)
            for _ in range(rounds):
                effort.tell(_RIVAL)
                async with open_helia() as client:
                    await client.connect(server.address)
                    rivals.append(await client.get_made(count, size, together))
    if len(rivals) < rounds:
        return [Line(ours=median(seconds[OURS]))]
    return [Rounds({**seconds, _RIVAL: rivals}).line(_RIVAL, bar=bar)]


async def _one(effort: Effort) -> Sequence[Line]:
    """Fetch one block after the other, and look for some that are not there."""
    probes = effort.size(_PROBES, 3)
    got, missed = [], []
    async with _server(probes, 1024) as address, _connected(address) as peers:
        for number in range(probes):
            began = time.perf_counter()
            await peers.fetch(made(number, 1024).cid)
            got.append(time.perf_counter() - began)
            began = time.perf_counter()
            try:
                await peers.fetch(made(number, 1025).cid)
            except NotFound:
                missed.append(time.perf_counter() - began)
    return [
        Line(part="one block", ours=median(got), bar=0.003, bar_on="ours"),
        Line(part="one that is missing", ours=median(missed), bar=0.02, bar_on="ours"),
    ]


async def _fetched(address: str, count: int, size: int, together: int) -> float:
    """Fetch blocks in a process of its own, as the rival does, and tell the seconds."""
    words = [address, *map(str, (count, size, together))]
    command = [sys.executable, "-m", "benchmarks.peers", "fetch", *words]
    return float((await trio.run_process(command, capture_stdout=True)).stdout)


async def _fetch(address: str, count: int, size: int, together: int) -> None:
    blocks = [made(number, size) for number in range(count)]
    async with _connected(address) as peers:
        gc.freeze()  # as the shell does, when it has fetched its first block
        print(await fetched(peers, blocks, together))


@asynccontextmanager
async def _connected(address: str) -> AsyncIterator[Peering]:
    async with open_peering([address]) as peers:
        with suppress(NotFound):
            await peers.fetch(made(0, 1).cid)  # until the peer is connected
        yield peers


@asynccontextmanager
async def _server(count: int, size: int) -> AsyncIterator[str]:
    """Serve blocks from another process, and give its address."""
    if find_spec("libp2p") is None:
        raise Unmeasurable("libp2p is not installed; pip install 'ipvm[p2p]' has it")
    async with server("benchmarks.peers", "serve", count, size) as address:
        yield address


async def _serve(count: int, size: int) -> None:
    store = Memory()
    await store.put_many([made(number, size) for number in range(count)])
    async with open_peering([], serves=store, listen=[_LOOPBACK]) as peering:
        _, addresses = await peering.opened()
        print(addresses[0], flush=True)
        await trio.sleep_forever()


ROWS: Final = (
    Row("bitswap-1k", "10,000 blocks of 1 KiB from one peer, 256 at once, beside Helia", _small),
    Row("bitswap-256k", "1000 blocks of 256 KiB from one peer, 16 at once, beside Helia", _large),
    Row("bitswap-one", "one block from a peer, and one that it has not", _one),
)

if __name__ == "__main__":
    task, *words = sys.argv[1:]
    if task == "serve":
        trio.run(_serve, int(words[0]), int(words[1]))
    else:
        trio.run(_fetch, words[0], int(words[1]), int(words[2]), int(words[3]))
