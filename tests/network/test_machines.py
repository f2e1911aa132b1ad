"""What was published on one machine is called on another that knows nothing but where to ask."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

if TYPE_CHECKING:
    from tests.kubo import Daemon
    from tests.network.conftest import Ended, Serve

pytest.importorskip("libp2p", reason="libp2p is not installed: pip install 'ipvm[p2p]'")

pytestmark = pytest.mark.slow
Ipvm = Callable[..., Awaitable["Ended"]]
ARGUMENTS = ("eval", "[1.0, 2.0, 3.0]", "2.0")


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Path, Path, Path]:
    return tmp_path / "here", tmp_path / "there", tmp_path / "elsewhere"


@pytest.fixture
async def published(stores: tuple[Path, ...], root: Path, ipvm: Ipvm) -> str:
    """A function on one machine, with the function that it imports."""
    ended = await ipvm(stores[0], "publish", root / "examples" / "02-link" / "poly", "--announce")
    assert ended.code == 0, ended.errors
    return ended.output.strip()


async def test_by_its_gateway_alone(
    stores: tuple[Path, ...], published: str, ipvm: Ipvm, serve: "Serve"
) -> None:
    async with serve(stores[0]) as here:
        called = await ipvm(stores[1], "call", "--gateway", here.gateway, published, *ARGUMENTS)
    assert (called.code, called.output) == (0, "17.0\n"), called.errors
    again = await ipvm(stores[1], "call", "--offline", published, *ARGUMENTS)
    assert again.output == "17.0\n"


async def test_by_one_peer_alone(
    stores: tuple[Path, ...], published: str, ipvm: Ipvm, serve: "Serve"
) -> None:
    async with serve(stores[0]) as here:
        called = await ipvm(stores[1], "call", "--peer", here.peers[0], published, *ARGUMENTS)
        absent = await ipvm(stores[1], "cat", "--peer", here.peers[0], "bafkqaaa/none")
    assert (called.code, called.output) == (0, "17.0\n"), called.errors
    assert absent.code == 3


async def test_by_a_kubo_alone_that_has_it_from_us(
    stores: tuple[Path, ...],
    published: str,
    ipvm: Ipvm,
    serve: "Serve",
    kubo_daemon: "Daemon",
) -> None:
    async with serve(stores[0]) as here:
        for words in (("swarm", "connect", here.peers[0]), ("pin", "add", published)):
            await trio.to_thread.run_sync(partial(kubo_daemon.run, *words))
    called = await ipvm(stores[1], "call", "--kubo", kubo_daemon.api, published, *ARGUMENTS)
    assert (called.code, called.output) == (0, "17.0\n"), called.errors


async def test_by_a_node_that_fetches_for_others(
    stores: tuple[Path, ...], published: str, ipvm: Ipvm, serve: "Serve"
) -> None:
    async with serve(stores[0]) as here:
        async with serve(stores[1], "--gateway", here.gateway) as refuses:
            for_itself = await ipvm(
                stores[2], "call", "--gateway", refuses.gateway, published, *ARGUMENTS
            )
        async with serve(stores[1], "--gateway", here.gateway, "--fetch") as fetches:
            for_others = await ipvm(
                stores[2], "call", "--gateway", fetches.gateway, published, *ARGUMENTS
            )
    assert for_itself.code == 3
    assert (for_others.code, for_others.output) == (0, "17.0\n"), for_others.errors


async def test_nobody_there_is_told_with_what_to_do(
    stores: tuple[Path, ...], published: str, ipvm: Ipvm, serve: "Serve"
) -> None:
    async with serve(stores[0]) as here:
        gone = here.gateway
    called = await ipvm(stores[1], "call", "--gateway", gone, published, *ARGUMENTS)
    assert called.code == 9
    assert re.search(r"127\.0\.0\.1", called.errors)
