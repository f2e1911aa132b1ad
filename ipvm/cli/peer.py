"""`ipvm peer`: look at peers, which blocks are exchanged with."""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import click
import trio

from ipvm.cli.options import Group, current_settings
from ipvm.cli.output import Output
from ipvm.cli.session import run_alone
from ipvm.cli.settings import Settings
from ipvm.errors import Unavailable
from ipvm.exchange.peering import open_peering
from ipvm.exchange.peers import (
    needing_libp2p,
    new_identity,
    read_identity,
    require_peer_address,
)
from ipvm.ipld import Cid, Value
from ipvm.store import store_path

if TYPE_CHECKING:
    from ipvm.exchange.libp2p import Host

__all__ = ["peer"]

_MILLISECONDS = 1000


@click.group("peer", cls=Group)
def peer() -> None:
    """Look at peers, which blocks are exchanged with over Bitswap.

    Needs the extra `p2p`: pip install 'ipvm[p2p]'. An ADDRESS is where a peer is and who it is, as
    in /ip4/127.0.0.1/tcp/4001/p2p/12D3….
    """


@peer.command("id")
def identify() -> None:
    """Print the peer ID of the store, by which others know who serves it.

    It is made when it is asked for first:
      $ ipvm peer id
      12D3KooW…
    """
    run_alone(_identify, doing="Reading the key")


async def _identify(output: Output) -> None:
    with needing_libp2p():
        from ipvm.exchange.libp2p import peer_id_of  # noqa: PLC0415 - see below
    await trio.lowlevel.checkpoint()
    folder = store_path(current_settings().store, os.environ)
    name = peer_id_of(read_identity(folder))
    if output.as_json:
        output.record("peer-id", {"id": name})
    else:
        output.text(name)


@peer.command("connect")
@click.argument("address")
def connect(address: str) -> None:
    """Connect to a peer, and print its ID.

    See whether a peer can be reached:
      $ ipvm peer connect /ip4/127.0.0.1/tcp/4001/p2p/12D3…
    """
    _on_host(_connect, [address], doing="Connecting")


async def _connect(host: "Host", addresses: list[str], output: Output) -> None:
    found = await host.connect(*addresses)
    if output.as_json:
        output.record("peer-connect", {"id": found, "connected": True})
    else:
        output.text(found)


@peer.command("ping")
@click.argument("address")
@click.option("--count", type=click.IntRange(1, 1000), default=3, help="How often.")
def ping(address: str, count: int) -> None:
    """Ask a peer for a sign of life, and print how many milliseconds it took.

    Ping a peer three times:
      $ ipvm peer ping /ip4/127.0.0.1/tcp/4001/p2p/12D3…
    """
    _on_host(partial(_ping, count), [address], doing="Pinging")


async def _ping(count: int, host: "Host", addresses: list[str], output: Output) -> None:
    found = await host.connect(*addresses)
    times = []
    for _ in range(count):
        times.append(await host.ping(found) * _MILLISECONDS)
        if not output.as_json:
            output.text(f"{times[-1]:.2f} ms")
    if output.as_json:
        output.record("peer-ping", {"id": found, "milliseconds": [*times]})


@peer.command("ls")
def ls() -> None:
    """List the peers that were named with `--peer`, and whether they can be reached.

    Look who is there:
      $ ipvm peer ls --peer /ip4/127.0.0.1/tcp/4001/p2p/12D3…
    """
    _on_host(_ls, current_settings().peers, doing="Connecting")


async def _ls(host: "Host", addresses: list[str], output: Output) -> None:
    reached: dict[str, bool] = {}

    async def try_one(address: str) -> None:
        try:
            await host.connect(address)
        except Unavailable:
            reached[address] = False
        else:
            reached[address] = True

    async with trio.open_nursery() as nursery:
        for address in addresses:
            nursery.start_soon(try_one, address)
    if output.as_json:
        rows: list[Value] = [{"address": a, "connected": reached[a]} for a in addresses]
        output.record("peer-ls", {"peers": rows})
        return
    for each in addresses:
        output.text(f"{each}  {'connected' if reached[each] else 'not reached'}")


@peer.command("find")
@click.argument("cid")
def find(cid: str) -> None:
    """Find peers that say that they have a block, by asking those that were named.

    Ask a peer that serves the DHT, and those that it knows:
      $ ipvm peer find --peer /ip4/127.0.0.1/tcp/4001/p2p/12D3… bafk…
    """
    settings = current_settings()
    if not (settings.peers or settings.mdns):
        raise click.UsageError("Name a peer to ask first: --peer ADDRESS.")
    wanted = Cid.parse(cid.removeprefix("ipfs://"))
    run_alone(partial(_find, wanted, settings), doing="Searching")


async def _find(cid: Cid, settings: Settings, output: Output) -> None:
    async with open_peering(settings.peers, dht=True, mdns=settings.mdns) as peering:
        assert peering.searching is not None
        found = await peering.searching.providers(cid)
    if output.as_json:
        rows: list[Value] = [{"id": each.name, "addresses": [*each.addresses]} for each in found]
        output.record("peer-find", {"cid": str(cid), "peers": rows})
        return
    for each in found:
        output.text("\n".join(each.addresses or [f"/p2p/{each.name}"]))


def _on_host(
    action: Callable[["Host", list[str], Output], Awaitable[None]],
    addresses: list[str],
    *,
    doing: str,
) -> None:
    """Run a command on a host with a key of its own, so that it is nobody else."""
    for address in addresses:
        require_peer_address(address)

    async def work(output: Output) -> None:
        with needing_libp2p():
            from ipvm.exchange import libp2p  # noqa: PLC0415 - half a second, for those who need it
        libp2p.require_addresses(addresses, ())
        async with libp2p.open_host(new_identity()) as host:
            await action(host, addresses, output)

    run_alone(work, doing=doing)
