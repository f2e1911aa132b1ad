"""Hosts of our own on the loopback interface: in this process, and in another."""

import json
import logging
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio

import ipvm
from ipvm.errors import Refused
from ipvm.exchange.bitswap import PeersUnavailable
from ipvm.exchange.peering import Peering, open_peering
from ipvm.exchange.peers import IdentityUnusable, InvalidPeerAddress, read_identity
from ipvm.ipld import Block, BlockNotFound
from ipvm.limits import PEER_ADDRESS_BYTES_MAX
from ipvm.store import Memory
from ipvm.store.lmdb import Lmdb
from ipvm.testing import check_source

pytest.importorskip("libp2p", reason="libp2p is not installed: pip install 'ipvm[p2p]'")

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
ID = "12D3KooWMoJJWNqRBMKBr99LWNrNctukEqGkdNp9gHacU4awKDRe"
NOBODY = f"/ip4/127.0.0.1/tcp/1/p2p/{ID}"
BLOCKS = [Block.of(b"%d" % number * 1000) for number in range(300)]
LARGEST = Block.of(bytes(4 * 1024 * 1024))
ABSENT = Block.of(b"absent").cid

SERVER = """
import sys, trio
from pathlib import Path
from ipvm.exchange.peering import open_peering
from ipvm.store.lmdb import Lmdb

async def serve() -> None:
    with Lmdb(Path(sys.argv[1])) as store:
        async with open_peering([], serves=store, listen=["/ip4/127.0.0.1/tcp/0"]) as peering:
            print((await peering.opened())[1][0], flush=True)
            await trio.sleep_forever()

trio.run(serve)
"""


async def stocked() -> Memory:
    store = Memory()
    await store.put_many([*BLOCKS, LARGEST])
    return store


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Peering, str]]:
    """Serve the blocks, and give the address."""
    async with open_peering([], serves=await stocked(), listen=[LOOPBACK]) as peering:
        yield peering, (await peering.opened())[1][0]


@contextmanager
def another_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve a store from another process, and give the address."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


async def test_a_host_is_a_source() -> None:
    async with serving() as (_, address), open_peering([address]) as peers:
        await check_source(peers, BLOCKS[0], ABSENT)
        assert peers.name == "peers"


async def test_blocks_of_all_sizes_come_whole() -> None:
    async with serving() as (_, address), open_peering([address]) as peers:
        for block in (LARGEST, Block.of(b"0" * 1000)):
            assert await peers.fetch(block.cid) == block.data


async def test_many_are_fetched_at_once_and_no_stream_is_left() -> None:
    async with serving() as (server, address), open_peering([address]) as peers:
        async with trio.open_nursery() as nursery:
            for block in BLOCKS:
                nursery.start_soon(peers.fetch, block.cid)
        bitswap = server._bitswap
        assert bitswap is not None
        assert len(bitswap._peers) == 1
        assert sum(peer.streams for peer in bitswap._peers.values()) <= 2


async def test_what_a_peer_lacks_is_known_soon() -> None:
    async with serving() as (_, address), open_peering([address]) as peers:
        assert await peers.fetch(BLOCKS[0].cid)
        times = []
        for number in range(20):
            began = trio.current_time()
            with pytest.raises(BlockNotFound):
                await peers.fetch(Block.of(b"absent %d" % number).cid)
            times.append(trio.current_time() - began)
        assert min(times) < 0.02


async def test_who_cannot_be_reached_is_told_and_others_are_asked() -> None:
    async with open_peering([NOBODY]) as peers:
        with pytest.raises(PeersUnavailable, match="cannot be reached"):
            await peers.fetch(BLOCKS[0].cid)
    async with serving() as (_, address), open_peering([NOBODY, address]) as peers:
        assert await peers.fetch(BLOCKS[0].cid) == BLOCKS[0].data
        with pytest.raises(BlockNotFound):
            await peers.fetch(ABSENT)


async def test_a_client_serves_nothing() -> None:
    async with serving() as (server, address), open_peering([address]) as client:
        assert await client.fetch(BLOCKS[0].cid)
        await server._all_tried.wait()
        with pytest.raises(BlockNotFound):
            await server.fetch(ABSENT)


async def test_what_the_library_logs_does_not_reach_the_root(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as (server, address), open_peering([address]) as peers:
        assert await peers.fetch(BLOCKS[0].cid)
        bitswap = server._bitswap
        assert bitswap is not None
        network = bitswap._network._host.get_network()  # type: ignore[attr-defined]
        (connection,) = network.get_connections()
        connection._actual_transport_addresses = None
        network.peerstore.clear_addrs(connection.muxed_conn.peer_id)
        connection.swarm = None
        assert not connection.get_transport_addresses()
        connection.swarm = network
    assert not [each for each in caplog.records if each.name == "root"]


async def test_nothing_happens_until_something_is_fetched() -> None:
    async with open_peering([NOBODY]) as peers:
        assert peers.peers == ()
        assert not peers._needed.is_set()


async def test_what_fails_inside_leaves_as_it_is() -> None:
    async def fail() -> None:
        async with open_peering([], listen=[LOOPBACK]) as peers:
            await peers.opened()
            raise BlockNotFound(ABSENT)

    with pytest.raises(BlockNotFound):
        await fail()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost:4001",
        "/ip4/127.0.0.1/tcp/4001",
        "/ip4/1.2.3/tcp/1/p2p/" + ID,
        "/ip4/127.0.0.1/tcp/1/p2p/nobody",
        "/p2p/\x1b[2J" + ID,
        "/dns/" + "x" * PEER_ADDRESS_BYTES_MAX + "/p2p/" + ID,
    ],
)
async def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(InvalidPeerAddress) as caught:
        async with open_peering([address]) as peers:
            await peers.fetch(ABSENT)
    assert len(str(caught.value)) < 500


async def test_where_nobody_can_listen_it_is_told() -> None:
    async with serving() as (_, address):
        taken = address.partition("/p2p/")[0]
        for where in (taken, "/ip4/192.0.2.1/tcp/0"):
            async with open_peering([], listen=[where]) as peers:
                with pytest.raises(Refused, match="cannot listen at"):
                    await peers.opened()
    for wrong in ("/ip4/127.0.0.1/udp/0/quic-v1", "here"):
        async with open_peering([], listen=[wrong]) as peers:
            with pytest.raises(InvalidPeerAddress, match="like /ip4"):
                await peers.opened()


@asynccontextmanager
async def serving_at(where: str) -> AsyncIterator[str]:
    """Serve the blocks there, always as the same peer, and give the address."""
    seed = bytes(range(32))
    async with open_peering([], serves=await stocked(), seed=seed, listen=[where]) as peering:
        yield (await peering.opened())[1][0]


async def test_a_peer_that_comes_back_is_connected_again() -> None:
    async with serving_at(LOOPBACK) as address:
        where = address.partition("/p2p/")[0]
    async with open_peering([address]) as peers:
        async with serving_at(where):
            assert await peers.fetch(BLOCKS[0].cid)
        with pytest.raises(PeersUnavailable):
            await peers.fetch(BLOCKS[1].cid)
        async with serving_at(where):
            with trio.fail_after(30):
                while not peers.peers:
                    await trio.lowlevel.checkpoint()
            assert await peers.fetch(BLOCKS[1].cid) == BLOCKS[1].data


async def test_a_peer_that_was_dropped_is_taken_up_again_when_its_time_is_over() -> None:
    async with serving() as (_, address), open_peering([address]) as peers:
        assert await peers.fetch(BLOCKS[0].cid)
        bitswap, (name,) = peers._bitswap, peers.peers
        assert bitswap is not None
        bitswap._banned[name] = trio.current_time() + 1.5
        await bitswap._network.drop(name)
        with pytest.raises(PeersUnavailable):
            await peers.fetch(BLOCKS[1].cid)
        with trio.fail_after(30):
            while not peers.peers:
                await trio.lowlevel.checkpoint()
        assert not bitswap.is_banned(name)
        assert await peers.fetch(BLOCKS[1].cid) == BLOCKS[1].data


async def test_nobody_is_dialled_but_who_was_named(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "libp2p")
    async with serving() as (server, address), open_peering([address]) as peers:
        assert await peers.fetch(BLOCKS[0].cid)
        assert len(server.peers) == 1
        caplog.clear()
        bitswap = peers._bitswap
        assert bitswap is not None
        network = bitswap._network._host.get_network()  # type: ignore[attr-defined]
        await network.auto_connector.maybe_connect()
    assert not [each for each in caplog.messages if "new dials" in each]


async def test_two_processes_and_a_node(tmp_path: Path) -> None:
    with Lmdb(tmp_path / "theirs") as store:
        await store.put_many(BLOCKS)
    with another_process(tmp_path / "theirs") as (_, address):
        async with ipvm.open(store=tmp_path / "ours", peers=[address]) as node:
            found = await node.blocks.get_many(block.cid for block in BLOCKS)
            assert sorted(block.cid for block in found) == sorted(block.cid for block in BLOCKS)
            with pytest.raises(ipvm.NotFound):
                await node.get(ABSENT)
        async with ipvm.open(store=tmp_path / "ours", peers=[address], offline=True) as node:
            assert await node.get(BLOCKS[0].cid) == BLOCKS[0].data


async def test_a_peer_that_is_killed_is_known_to_be_gone_and_dialled_again(tmp_path: Path) -> None:
    with Lmdb(tmp_path / "theirs") as store:
        await store.put_many(BLOCKS)
    with another_process(tmp_path / "theirs") as (process, address):
        async with open_peering([address]) as peers:
            assert await peers.fetch(BLOCKS[0].cid)
            process.send_signal(signal.SIGSTOP)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(killed, process, peers)
                with pytest.raises(PeersUnavailable):
                    await peers.fetch(BLOCKS[1].cid)
            with pytest.raises(PeersUnavailable):
                await peers.fetch(BLOCKS[2].cid)


async def killed(process: "subprocess.Popen[str]", peers: Peering) -> None:
    while peers._bitswap is None or not peers._bitswap._asking.is_waiting:
        await trio.lowlevel.checkpoint()
    process.kill()


def test_an_identity_is_kept_and_is_nobody_elses(tmp_path: Path) -> None:
    seed = read_identity(tmp_path / "store")
    assert read_identity(tmp_path / "store") == seed
    assert read_identity(tmp_path / "another") != seed
    file = tmp_path / "store" / "peer.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    with pytest.raises(IdentityUnusable, match="others have access"):
        read_identity(tmp_path / "store")


async def test_a_store_may_be_made_where_there_is_an_identity(tmp_path: Path) -> None:
    read_identity(tmp_path)
    with Lmdb(tmp_path) as store:
        await store.put(BLOCKS[0])
        assert await store.get(BLOCKS[0].cid) == BLOCKS[0]


def shell(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ipvm", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "IPVM_STORE": str(folder)},
    )


async def test_the_shell_finds_peers_and_takes_blocks_from_them(tmp_path: Path) -> None:
    with Lmdb(tmp_path / "theirs") as store:
        await store.put_many(BLOCKS)
    ours = tmp_path / "ours"
    with another_process(tmp_path / "theirs") as (_, address):
        got = shell("block", "get", str(BLOCKS[7].cid), "--peer", address, folder=ours)
        assert (got.returncode, got.stdout.encode()) == (0, BLOCKS[7].data)
        peer = address.rpartition("/")[2]
        connected = shell("peer", "connect", address, folder=ours)
        assert (connected.returncode, connected.stdout.strip()) == (0, peer)
        pinged = shell("peer", "ping", address, "--count", "2", "--json", folder=ours)
        assert json.loads(pinged.stdout)["id"] == peer
        listed = shell("peer", "ls", "--peer", address, "--peer", NOBODY, folder=ours)
        assert listed.stdout == f"{address}  connected\n{NOBODY}  not reached\n"
    gone = shell("block", "get", str(BLOCKS[8].cid), "--peer", address, folder=ours)
    assert (gone.returncode, gone.stdout) == (9, "")
    assert "cannot be reached" in gone.stderr


def test_the_shell_tells_who_we_are(tmp_path: Path) -> None:
    first = shell("peer", "id", folder=tmp_path / "store")
    assert first.stdout.startswith("12D3Koo")
    assert shell("peer", "id", folder=tmp_path / "store").stdout == first.stdout
    wrong = shell("peer", "ping", "somewhere", folder=tmp_path / "store")
    assert wrong.returncode == 4
    assert "somewhere" in wrong.stderr
