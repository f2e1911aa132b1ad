"""Helia, another implementation of IPFS: blocks from it, and blocks for it."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pytest
import trio

import ipvm
from ipvm.exchange.peering import open_peering
from ipvm.ipld import DAG_CBOR, DAG_PB, Block
from ipvm.store import Memory

pytest.importorskip("libp2p", reason="libp2p is not installed: pip install 'ipvm[p2p]'")

if TYPE_CHECKING:
    from benchmarks.helia import Helia

pytestmark = pytest.mark.slow

Run = Callable[..., "AbstractAsyncContextManager[Helia]"]
LOOPBACK = "/ip4/127.0.0.1/tcp/0"


def made(number: int, size: int) -> Block:
    """Make a block as the driver of Helia does: the hash of its number, repeated."""
    digest = hashlib.sha256(number.to_bytes(8, "big")).digest()
    return Block.of((digest * (size // len(digest) + 1))[:size])


ODD = [
    Block.of(b"\x0a\x04\x08\x02\x18\x00", codec=DAG_PB, version=0),
    Block.of(b"\x0a\x04\x08\x02\x18\x00", codec=DAG_PB),
    Block.encode({"a": [1, 2.5]}, codec=DAG_CBOR),
    Block.of(b""),
    Block.of(bytes(range(256)) * 4096),
]


async def test_we_fetch_from_helia(helia: Run) -> None:
    async with helia() as peer:
        await peer.make(2000, 1024)
        await peer.make(20, 256 * 1024)
        for block in ODD:
            await peer.put(block)
        async with ipvm.open(store=Memory(), peers=[peer.address], cache=False) as node:
            blocks = [*ODD, *(made(n, 1024) for n in range(2000))]
            blocks += [made(n, 256 * 1024) for n in range(20)]
            found = await node.blocks.get_many(block.cid for block in blocks)
            assert {block.cid for block in found} == {block.cid for block in blocks}
            began = trio.current_time()
            with pytest.raises(ipvm.NotFound):
                await node.get(made(9999, 1024).cid)
            assert trio.current_time() - began < 2


async def test_helia_fetches_from_us(helia: Run) -> None:
    store = Memory()
    await store.put_many([*ODD, *(made(n, 1024) for n in range(2000))])
    await store.put_many([made(n, 256 * 1024) for n in range(20)])
    async with open_peering([], serves=store, listen=[LOOPBACK]) as peering, helia() as peer:
        _, addresses = await peering.opened()
        await peer.connect(addresses[0])
        for block in ODD:
            assert await peer.get(block.cid) == block.data
        await peer.get_made(2000, 1024, 256)
        await peer.get_made(20, 256 * 1024, 16)
        assert await peer.get(made(9999, 1024).cid, seconds=0.5) is None


async def test_helia_is_told_when_we_go(helia: Run) -> None:
    store = Memory()
    await store.put_many([made(n, 1024) for n in range(2)])
    async with helia() as peer:
        await peer.make(10, 2048)
        async with open_peering([peer.address]) as gone:
            assert await gone.fetch(made(0, 2048).cid)
        async with open_peering([], serves=store, listen=[LOOPBACK]) as peering:
            _, addresses = await peering.opened()
            await peer.connect(addresses[0])
            began = trio.current_time()
            assert await peer.get(made(1, 1024).cid) == made(1, 1024).data
            assert trio.current_time() - began < 8  # it waits ten seconds for who is gone unsaid
