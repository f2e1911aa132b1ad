"""The DHT of Kubo, that of private addresses: Kubo finds us, and we find others through it."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from ipvm.exchange.peering import open_peering
from ipvm.ipld import Block
from ipvm.store import Memory

pytest.importorskip("libp2p", reason="libp2p is not installed: pip install 'ipvm[p2p]'")

if TYPE_CHECKING:
    from tests.kubo import Daemon

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
OURS = Block.of(b"ipvm has this" * 100)


@pytest.fixture
def other_kubo(kubo_daemon: "Daemon", tmp_path: Path) -> "Iterator[Daemon]":
    """A second Kubo, which knows the first."""
    running = sys.modules["tests.kubo"].running
    with running(kubo_daemon.program, tmp_path) as other:
        other.run("swarm", "connect", kubo_daemon.swarm)
        yield other


async def test_two_kubos_and_we_find_each_other(
    kubo_daemon: "Daemon", other_kubo: "Daemon", tmp_path: Path
) -> None:
    store = Memory()
    await store.put(OURS)
    async with open_peering([kubo_daemon.swarm], serves=store, listen=[LOOPBACK], dht=True) as us:
        assert us.searching is not None
        name, _ = await us.opened()
        assert await us.searching.provide(OURS.cid) == 2  # the second was found through the first
        for kubo in (kubo_daemon, other_kubo):
            found = await in_thread(kubo, "routing", "findprovs", "-n", "1", OURS.cid)
            assert found.decode().split() == [name]
        assert await in_thread(other_kubo, "block", "get", OURS.cid) == OURS.data

    theirs = Block.of(b"the second Kubo has this" * 100)
    (tmp_path / "theirs").write_bytes(theirs.data)
    await in_thread(other_kubo, "block", "put", "--cid-codec=raw", tmp_path / "theirs")
    await in_thread(other_kubo, "routing", "provide", theirs.cid)
    async with open_peering([kubo_daemon.swarm], dht=True) as client:
        assert client.searching is not None
        assert await client.searching.fetch(theirs.cid) == theirs.data
        (found_peer,) = await client.searching.providers(theirs.cid)
        assert found_peer.name == other_kubo.swarm.rpartition("/")[2]


async def in_thread(kubo: "Daemon", *words: object) -> bytes:
    """Give a command to Kubo, and serve it meanwhile."""
    return await trio.to_thread.run_sync(partial(kubo.run, *words))
