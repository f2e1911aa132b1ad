"""Hosts on the loopback interface that find each other, and one that is hostile to them."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from ipvm.exchange.bitswap import PeersUnavailable, Stream
from ipvm.exchange.dht import PROTOCOLS, Asker, Scope
from ipvm.exchange.dht.contacts import Contact, tell
from ipvm.exchange.dht.message import DhtMessage, Kind, Told, write_message
from ipvm.exchange.peering import Peering, open_peering
from ipvm.exchange.peers import new_identity
from ipvm.ipld import Block, BlockNotFound, varint
from ipvm.store import Memory

pytest.importorskip("libp2p", reason="libp2p is not installed: pip install 'ipvm[p2p]'")

if TYPE_CHECKING:
    from ipvm.exchange.libp2p import Host

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
BLOCKS = [Block.of(b"%d" % number * 1000) for number in range(30)]
ABSENT = Block.of(b"absent")


@asynccontextmanager
async def serving(*known: str) -> AsyncIterator[tuple[Peering, str]]:
    """Serve the blocks and the DHT, and give the address."""
    store = Memory()
    await store.put_many(BLOCKS)
    async with open_peering(known, serves=store, listen=[LOOPBACK], dht=True) as peering:
        yield peering, (await peering.opened())[1][0]


@asynccontextmanager
async def hub() -> AsyncIterator[tuple[Peering, str]]:
    """Serve the DHT only, and give the address."""
    async with open_peering([], listen=[LOOPBACK], dht=True) as peering:
        yield peering, (await peering.opened())[1][0]


async def test_a_peer_is_found_through_another_and_gives_all_that_it_has() -> None:
    async with hub() as (_, address), serving(address) as (server, _):
        assert server.searching is not None
        assert await server.searching.provide(BLOCKS[0].cid) >= 1
        async with open_peering([address], dht=True) as client:
            assert client.searching is not None
            with pytest.raises(BlockNotFound):
                await client.fetch(BLOCKS[0].cid)
            (found,) = await client.searching.providers(BLOCKS[0].cid)
            assert found.addresses == (await server.opened())[1]
            assert len([*client.peers]) == 1  # to ask is not to keep
            for block in BLOCKS:
                assert await client.searching.fetch(block.cid) == block.data
            assert len([*client.peers]) == 2
            with pytest.raises(BlockNotFound):
                await client.searching.fetch(ABSENT.cid)


async def test_without_peers_nobody_is_found() -> None:
    async with open_peering([], dht=True) as alone:
        assert alone.searching is not None
        with pytest.raises(PeersUnavailable):
            await alone.searching.fetch(ABSENT.cid)
        with pytest.raises(PeersUnavailable):
            await alone.searching.providers(ABSENT.cid)


async def test_who_was_not_told_to_uses_no_dht() -> None:
    async with hub() as (_, address), open_peering([address], listen=[LOOPBACK]) as plain:
        assert plain.searching is None
        with pytest.raises(BlockNotFound):
            await plain.fetch(ABSENT.cid)
        assert (await plain.opened())[1]
        async with visiting(plain) as (host, contact):
            for protocol in PROTOCOLS:
                with pytest.raises(PeersUnavailable, match="does not speak"):
                    async with host.visiting.visit(contact, protocol):
                        pass


@asynccontextmanager
async def visiting(peering: Peering) -> AsyncIterator[tuple["Host", Contact]]:
    """Be a host that can visit some peering."""
    from ipvm.exchange.dht.contacts import endpoints_of  # noqa: PLC0415
    from ipvm.exchange.libp2p import open_host  # noqa: PLC0415 - only where there is libp2p

    name, addresses = await peering.opened()
    async with open_host(new_identity()) as host:
        from libp2p.peer.id import ID  # noqa: PLC0415

        yield host, Contact(ID.from_string(name).to_bytes(), endpoints_of(addresses))


Answers = Callable[["Host", Asker, Stream], Awaitable[None]]


class Rogue:
    """Our part of a DHT that does as the test says."""

    def __init__(self, protocol: str, host: "Host", answers: Answers) -> None:
        self.protocol = protocol
        self._host = host
        self._answers = answers

    async def listen(self, asker: Asker, stream: Stream) -> None:
        try:
            await self._answers(self._host, asker, stream)
        except PeersUnavailable:
            pass
        finally:
            await stream.close()


@asynccontextmanager
async def rogue(answers: Answers) -> AsyncIterator[str]:
    """Answer questions of the DHT as the test says, and give the address."""
    from ipvm.exchange.libp2p import open_host  # noqa: PLC0415 - only where there is libp2p

    async with open_host(new_identity(), [LOOPBACK]) as host:
        for protocol in PROTOCOLS:
            host.answer(Rogue(protocol, host, answers))  # type: ignore[arg-type]
        yield host.addresses[0]


async def garbage(_host: "Host", _asker: Asker, stream: Stream) -> None:
    await stream.send(b"\xff\x00garbage" * 1000)


async def endless(_host: "Host", _asker: Asker, stream: Stream) -> None:
    await stream.send(varint.write(2**30) + bytes(1000))
    await trio.sleep_forever()


async def crowd(host: "Host", _asker: Asker, stream: Stream) -> None:
    """Name ten thousand peers, all at our own address."""
    (endpoint,) = host.visiting.endpoints()
    head = b"\x00\x24\x08\x01\x12\x20"
    told = [Told(head + bytes(28) + n.to_bytes(4), (bytes(endpoint),)) for n in range(10_000)]
    message = DhtMessage(Kind.GET_PROVIDERS, b"", closer=told, providers=told[:2000])
    await stream.send(write_message(message))


async def nonsense(host: "Host", asker: Asker, stream: Stream) -> None:
    """Name providers with no addresses, with wrong ones, with our own, and the asker itself."""
    itself = host.visiting.peer_id
    wrong = (
        b"",
        b"\x04",
        b"\x36\x09localhost\x06\x0f\xa1",
        b"\xff" * 1000,
        b"\x04\0\0\0\0\x06\0\x01",
    )
    told = [Told(itself, wrong), Told(b"nobody", wrong), tell(asker.contact, to=Scope.MACHINE)]
    message = DhtMessage(Kind.GET_PROVIDERS, b"", closer=told * 10, providers=told * 10)
    await stream.send(write_message(message))


@pytest.mark.parametrize("answers", [garbage, endless, crowd, nonsense])
async def test_a_hostile_peer_costs_a_bounded_amount(answers: Answers) -> None:
    async with hub() as (_, address), serving(address) as (server, _), rogue(answers) as bad:
        assert server.searching is not None
        assert await server.searching.provide(BLOCKS[0].cid) >= 1
        async with open_peering([bad, address], dht=True) as client:
            assert client.searching is not None
            with trio.fail_after(20):
                assert await client.searching.fetch(BLOCKS[0].cid) == BLOCKS[0].data
            assert await client.fetch(BLOCKS[1].cid) == BLOCKS[1].data
            network = client._dialler._host.get_network()  # type: ignore[union-attr]
            assert len(network.get_connections()) <= 3


async def test_a_server_survives_whoever_asks() -> None:
    async with hub() as (server, address), visiting(server) as (host, contact):
        for sent in (b"\xff" * 100, varint.write(2**30), b"\x00", b"\x02\x08\x63", b"\x05\x08"):
            async with host.visiting.visit(contact, PROTOCOLS[0]) as (stream, _):
                await stream.send(sent)
                if sent != b"\x05\x08":
                    assert await stream.receive() == b""
        async with host.visiting.visit(contact, PROTOCOLS[0]) as (stream, _):
            await stream.send(write_message(DhtMessage(Kind.PING)))
            assert await stream.receive() == write_message(DhtMessage(Kind.PING))
        async with open_peering([address], dht=True) as client:
            assert client.searching is not None
            assert await client.searching.providers(ABSENT.cid) == []


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
    async with hub() as (_, address), serving(address) as (server, served_at):
        assert server.searching is not None
        assert await server.searching.provide(BLOCKS[0].cid) >= 1

        async def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            options = ["--peer", address]
            return await trio.to_thread.run_sync(
                partial(shell, *arguments, *options, folder=tmp_path / "store")
            )

        wanted = str(BLOCKS[0].cid)
        got = await run("block", "get", wanted, "--dht", "--trace")
        assert (got.returncode, got.stdout.encode()) == (0, BLOCKS[0].data)
        assert f"{wanted}: 1,000 bytes from dht" in got.stderr
        assert (await run("peer", "find", wanted)).stdout == served_at + "\n"
        found = json.loads((await run("peer", "find", wanted, "--json")).stdout)
        peer = served_at.rpartition("/")[2]
        assert found["peers"] == [{"id": peer, "addresses": [served_at]}]
    alone = shell("peer", "find", wanted, folder=tmp_path / "store")
    assert (alone.returncode, "--peer ADDRESS" in alone.stderr) == (2, True)


async def test_visits_share_a_connection_and_leave_none() -> None:
    async with hub() as (server, _), visiting(server) as (host, contact):
        network = host._host.get_network()
        question = write_message(DhtMessage(Kind.FIND_NODE, b"key"))
        seen: set[int] = set()

        async def visit(protocol: str) -> None:
            async with host.visiting.visit(contact, protocol) as (stream, scope):
                assert scope == Scope.MACHINE
                await stream.send(question)
                assert await stream.receive()
                seen.add(len(network.get_connections()))

        for _ in range(2):
            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(visit, PROTOCOLS[number % 2])
            assert (seen, network.get_connections()) == ({1}, [])
        name = await host.connect(*contact.addresses)
        await visit(PROTOCOLS[0])
        assert len(network.get_connections()) == 1  # nobody leaves whom he is connected to
        await host.drop(name)


async def test_who_is_met_during_a_visit_stays() -> None:
    async with hub() as (server, _), visiting(server) as (host, contact):
        async with host.visiting.visit(contact, PROTOCOLS[0]):
            await host.connect(*contact.addresses)
        assert len(host._host.get_network().get_connections()) == 1
