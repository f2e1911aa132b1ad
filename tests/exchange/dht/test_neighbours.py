"""Peers of the local network, found by multicast DNS: in a network of the test alone."""
# ruff: noqa: ARG001 - a test that takes the clock is one in which no real time passes

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from ipvm.errors import Refused
from ipvm.exchange.bitswap import PeersUnavailable
from ipvm.exchange.neighbours import Neighbours
from ipvm.ipld import BlockNotFound, Cid
from ipvm.limits import NEIGHBOURS_MAX

INTERFACES = 0
ITSELF = "12D3KooWMoJJWNqRBMKBr99LWNrNctukEqGkdNp9gHacU4awKDRe"

NETWORK = """
ip link set lo up multicast on
ip address add 10.77.0.1/24 dev lo
ip route add 224.0.0.0/4 dev lo
exec "$@"
"""

SERVER = """
import subprocess, sys, tempfile, trio
from ipvm.exchange.peering import open_peering
from ipvm.ipld import Block
from ipvm.store import Memory

BLOCK = Block.of(b"found on the local network")

async def main() -> None:
    store = Memory()
    await store.put(BLOCK)
    listen = ["/ip4/10.77.0.1/tcp/0"]
    async with open_peering([], serves=store, listen=listen, mdns=True) as peering:
        await peering.opened()
        with tempfile.TemporaryDirectory() as folder:
            words = ["block", "get", str(BLOCK.cid), "--mdns", "--store", folder]
            await trio.run_process([sys.executable, "-m", "ipvm", *words])
            await trio.run_process([sys.executable, "-m", "ipvm", *words[:3], "--store", folder])

trio.run(main)
"""


class Street:
    """Peers that can be met.

    Attributes:
        tried: How often it was said that all have been tried.
    """

    def __init__(self) -> None:
        self.peers: tuple[str, ...] = ()
        self.dialled: list[Sequence[str]] = []
        self.tried = 0
        self.neighbours = Neighbours(self, itself=ITSELF, tried=self.note_tried)

    def note_tried(self) -> None:
        self.tried += 1

    async def fetch(self, cid: Cid) -> bytes:
        await trio.lowlevel.checkpoint()
        raise BlockNotFound(cid)

    async def wait_dialled(self) -> bool:
        await trio.lowlevel.checkpoint()
        return True

    async def meet(self, addresses: Sequence[str]) -> str:
        self.dialled.append(addresses)
        if "10.0.0.66" in addresses[0]:
            await trio.sleep_forever()
        await trio.sleep(0.1)
        if "10.0.0.99" in addresses[0]:
            raise PeersUnavailable("it cannot be reached")
        name = addresses[0].rpartition("/")[2]
        self.peers = (*self.peers, name)
        return name

    async def leave(self, _name: str) -> None:
        await trio.lowlevel.checkpoint()


@pytest.fixture
def street() -> Street:
    return Street()


@asynccontextmanager
async def finding() -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def refused() -> AsyncIterator[None]:
    await trio.lowlevel.checkpoint()
    if INTERFACES == 0:
        raise Refused("there is no interface")
    yield


async def test_neighbours_are_met_and_again_when_they_are_gone(
    street: Street, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    nursery.start_soon(street.neighbours.run, finding())
    await trio.sleep(1)
    street.neighbours.find(["/ip4/10.0.0.1/tcp/4001/p2p/one", "/ip4/10.0.0.2/tcp/4001/p2p/two"])
    await trio.sleep(1)
    assert sorted(street.peers) == ["one", "two"]
    assert street.tried == 1
    street.peers = ("two",)
    await trio.sleep(31)
    assert sorted(street.peers) == ["one", "two"]
    assert len(street.dialled) == 3
    assert street.tried == 1


async def test_who_waits_for_neighbours_waits_for_some_seconds(
    street: Street, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    nursery.start_soon(street.neighbours.run, finding())
    await trio.sleep(2.9)
    before = street.tried
    await trio.sleep(0.2)
    assert (before, street.tried) == (0, 1)
    other = Street()
    nursery.start_soon(other.neighbours.run, refused())
    await trio.sleep(0.1)
    assert other.tried == 1


@pytest.mark.parametrize(
    "address",
    [
        f"/ip4/10.0.0.1/tcp/4001/p2p/{ITSELF}",
        "/ip4/127.0.0.1/tcp/22/p2p/one",
        "/ip4/169.254.169.254/tcp/80/p2p/one",
        "/dns4/localhost/tcp/22/p2p/one",
        "/ip4/10.0.0.1/udp/4001/quic-v1/p2p/one",
        "/ip4/10.0.0.1/tcp/x/p2p/one",
        "\ufffd",
        "",
    ],
)
async def test_not_everybody_is_met(
    street: Street, nursery: trio.Nursery, autojump_clock: MockClock, address: str
) -> None:
    nursery.start_soon(street.neighbours.run, finding())
    street.neighbours.find([address])
    await trio.sleep(40)
    assert street.dialled == []


async def test_many_are_said_to_be_there_and_few_are_met(
    street: Street, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    nursery.start_soon(street.neighbours.run, finding())
    hosts = ["66", "99", *map(str, range(100, 110))]
    for number in range(1000):
        host = hosts[number % len(hosts)]
        street.neighbours.find([f"/ip4/10.0.0.{host}/tcp/{number + 1}/p2p/{number}"])
    await trio.sleep(600)
    assert len(street.peers) == NEIGHBOURS_MAX
    assert len(street.neighbours._known) <= 4 * NEIGHBOURS_MAX
    for number in range(1000):
        street.neighbours.find([f"/ip4/10.0.0.66/tcp/{number + 1}/p2p/999"])
    assert len(street.neighbours._known["999"]) <= NEIGHBOURS_MAX


def test_addresses_are_read_of_what_neighbours_send() -> None:
    pytest.importorskip("libp2p", reason="libp2p is not installed: pip install 'ipvm[p2p]'")
    from ipvm.exchange.libp2p.mdns import _addresses  # noqa: PLC0415 - only where there is libp2p

    one, two = b"dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/one", b"dnsaddr=/ip4/10.0.0.2/tcp/2/p2p/two"
    text = bytes((len(one),)) + one + b"\x03a=b" + bytes((len(two),)) + two
    assert _addresses(text) == [one[8:].decode(), two[8:].decode()]
    assert _addresses(text[:-1]) == [one[8:].decode(), two[8:-1].decode()]
    assert _addresses(b"\x00\x00\xff") == []
    assert _addresses(b"\x0bdnsaddr=\xff\xfe\xfd") == ["\ufffd" * 3]


def test_the_shell_takes_blocks_from_a_neighbour() -> None:
    pytest.importorskip("libp2p", reason="libp2p is not installed: pip install 'ipvm[p2p]'")
    unshare, ip = shutil.which("unshare"), shutil.which("ip")
    if not (unshare and ip) or subprocess.run([unshare, "-rn", ip, "link"], check=False).returncode:
        pytest.skip(
            "a network of its own takes `unshare -rn` and `ip`, which are not permitted here"
        )
    inside = ["sh", "-c", NETWORK, "sh", sys.executable, "-c", SERVER]
    done = subprocess.run(
        [unshare, "-rn", *inside], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "found on the local network" * 2), done.stderr
