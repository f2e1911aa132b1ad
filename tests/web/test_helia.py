"""Helia, another implementation of IPFS, reads through our gateway, and names files as we do."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

import ipvm
from ipvm.exchange import BlockService
from ipvm.store import Memory
from ipvm.web import gateway, serve

if TYPE_CHECKING:
    from benchmarks.helia import Helia

pytestmark = pytest.mark.slow
Run = Callable[..., "AbstractAsyncContextManager[Helia]"]
FILES = {
    "empty": b"",
    "one": b"1",
    "a/chunk": bytes(1024 * 1024),
    "a/b/chunks": bytes(range(256)) * 10_000,
    "a/ü \N{SNOWMAN}.txt": b"named",
}


async def test_helia_reads_files_through_our_gateway_and_gives_them_our_cids(
    helia: Run, tmp_path: Path
) -> None:
    for path, data in FILES.items():
        (tmp_path / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / path).write_bytes(data)
    store = Memory()
    async with ipvm.open(store=store, cache=False) as node, trio.open_nursery() as nursery:
        root = await node.add(tmp_path / "tree")
        host, port = await nursery.start(partial(serve, gateway(BlockService(store))))
        async with helia(f"http://{host}:{port}") as other:
            for path, data in FILES.items():
                assert await other.cat(f"{root}/{path}") == data
                assert await other.add_file(data) == await node.add(data)
            assert await other.get(ipvm.Cid.of(b"absent"), seconds=5) is None
        async with helia() as other:
            assert await other.add_folder(FILES) == root
        nursery.cancel_scope.cancel()
