"""A real Kubo as a peer: blocks go both ways, and from peer to peer through it."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

import ipvm
from ipvm.exchange.kubo import Kubo
from ipvm.exchange.peering import open_peering
from ipvm.ipld import Block
from ipvm.store import Memory
from ipvm.testing import check_source

pytest.importorskip("libp2p", reason="libp2p is not installed: pip install 'ipvm[p2p]'")

if TYPE_CHECKING:
    from tests.kubo import Daemon

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
LARGE = 2 * 1024 * 1024 - 1000
ABSENT = Block.of(b"absent, and nobody has ever had it")


async def test_kubo_serves_us(kubo_daemon: "Daemon", tmp_path: Path) -> None:
    blocks = [Block.of(b"Kubo has %d" % number * 100) for number in range(200)]
    large = Block.of(b"Kubo" * (LARGE // 4))
    files = [tmp_path / str(number) for number in range(len(blocks) + 1)]
    for file, block in zip(files, [*blocks, large], strict=True):
        file.write_bytes(block.data)
    options = ["--cid-codec=raw", "--allow-big-block"]
    kubo_daemon.run("block", "put", *options, *files)
    async with open_peering([kubo_daemon.swarm]) as peers:
        await check_source(peers, blocks[0], ABSENT.cid)
        async with trio.open_nursery() as nursery:
            for block in blocks:
                nursery.start_soon(fetch_and_compare, peers, block)
        await fetch_and_compare(peers, large)


async def fetch_and_compare(source: ipvm.Source, block: Block) -> None:
    assert await source.fetch(block.cid) == block.data


async def test_we_serve_kubo_and_whom_it_searches_for(kubo_daemon: "Daemon") -> None:
    store = Memory()
    leaves = [Block.of(b"ipvm has %d" % number * 100) for number in range(200)]
    large, late = Block.of(b"ipvm" * (LARGE // 4)), Block.of(b"asked for late")
    root = Block.encode([leaf.cid for leaf in [*leaves, large]])
    await store.put_many([root, *leaves, large, late])
    async with open_peering([], serves=store, listen=[LOOPBACK]) as peering:
        peer, addresses = await peering.opened()
        await in_thread(kubo_daemon, "swarm", "connect", addresses[0])
        assert b"recursively" in await in_thread(kubo_daemon, "pin", "add", root.cid)
        async with Kubo(kubo_daemon.api) as near, Kubo(kubo_daemon.api, searches=True) as far:
            with pytest.raises(ipvm.NotFound):
                await near.fetch(late.cid)
            assert await far.fetch(late.cid) == late.data
            assert await near.fetch(large.cid) == large.data
        await in_thread(kubo_daemon, "swarm", "disconnect", f"/p2p/{peer}")


async def in_thread(kubo_daemon: "Daemon", *words: object) -> bytes:
    """Give a command to Kubo, and serve it meanwhile."""
    return await trio.to_thread.run_sync(partial(kubo_daemon.run, *words))
