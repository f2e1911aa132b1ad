"""The rows about gateways: blocks over HTTP, from our server, and from Python's own or a Helia's."""

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import trio

from benchmarks.helia import made, open_helia
from benchmarks.measure import OURS, Rounds
from benchmarks.row import Effort, Line, Row, optional
from benchmarks.servers import fetched, server
from ipvm.exchange import BlockService
from ipvm.exchange.gateway import Gateway
from ipvm.ipld import Block
from ipvm.store.lmdb import Lmdb
from ipvm.web import gateway, serve

__all__ = ["ROWS"]

_RIVAL: Final = "http.server, from memory"
_HELIA: Final = "helia, node's http"
_ROUNDS_MAX: Final = 9
_TOGETHER: Final = 16
_SIZE: Final = 262_144
_BYTES_PER_SECOND: Final = 400_000_000
"""What the bar asks for."""


async def _blocks(effort: Effort) -> Sequence[Line]:
    """Fetch blocks of 256 KiB, 16 at once, with one client from either server."""
    count = effort.size(1000, 20)
    blocks = [made(number, _SIZE) for number in range(count)]
    seconds: dict[str, list[float]] = {OURS: [], _RIVAL: []}
    rounds = min(effort.rounds, _ROUNDS_MAX)
    async with (
        server("benchmarks.gateways", OURS, count) as ours,
        server("benchmarks.gateways", "rival", count) as rival,
    ):
        for _ in range(rounds):
            for name, address in ((OURS, ours), (_RIVAL, rival)):
                effort.tell(name)
                seconds[name].append(await _fetched(address, blocks))
    bar = count * _SIZE / _BYTES_PER_SECOND
    return [Rounds(seconds).line(_RIVAL, bar=bar, bar_on="ours")]


async def _by_helia(effort: Effort) -> Sequence[Line]:
    """Let Helia fetch them, from our server and from its own blockstore; without it, only we do."""
    count = effort.size(1000, 5)
    rounds = min(effort.rounds, _ROUNDS_MAX)
    seconds: dict[str, list[float]] = {OURS: [], _HELIA: []}
    async with server("benchmarks.gateways", OURS, count) as ours:
        with optional(effort):
            async with open_helia() as helia:
                await helia.make(count, _SIZE)
                theirs = await helia.serve()
                for _ in range(rounds):
                    for name, address in ((OURS, ours), (_HELIA, theirs)):
                        effort.tell(name)
                        async with open_helia(address) as client:
                            seconds[name].append(await client.get_made(count, _SIZE, _TOGETHER))
        if len(seconds[_HELIA]) == rounds:
            return [Rounds(seconds).line(_HELIA, bar=1.0)]
        return [Line(ours=await _fetched(ours, [made(n, _SIZE) for n in range(count)]))]


async def _fetched(address: str, blocks: Sequence[Block]) -> float:
    async with Gateway(address) as source:
        return await fetched(source, blocks, _TOGETHER)


async def _serve(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Lmdb(Path(folder)) as store:
        await store.put_many([made(number, _SIZE) for number in range(count)])
        async with trio.open_nursery() as nursery:
            handler = gateway(BlockService(store))
            host, port = await nursery.start(partial(serve, handler))
            print(f"http://{host}:{port}", flush=True)


def _serve_rival(count: int) -> None:
    """Serve as little as a gateway could: blocks that are in memory, by their paths."""
    blocks = {str(block.cid): block.data for block in (made(n, _SIZE) for n in range(count))}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            data = blocks[self.path.removeprefix("/ipfs/").partition("?")[0]]
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.ipld.raw")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    rival = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{rival.server_port}", flush=True)
    rival.serve_forever()


ROWS: Final = (
    Row("gateway-256k", "1000 blocks of 256 KiB over HTTP, 16 at once, verified", _blocks),
    Row("gateway-helia", "the same blocks, fetched by Helia, from us and from a Helia", _by_helia),
)

if __name__ == "__main__":
    if sys.argv[1] == OURS:
        trio.run(_serve, int(sys.argv[2]))
    else:
        _serve_rival(int(sys.argv[2]))
