"""Nodes that die, stall or have no room, among others: the rest goes on, and nothing wrong is kept."""

import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

import ipvm as library
from ipvm.files import file_blocks
from ipvm.store import Check, Memory
from ipvm.store.lmdb import Lmdb

if TYPE_CHECKING:
    from tests.network.conftest import Ended, Serve

pytest.importorskip("libp2p", reason="libp2p is not installed: pip install 'ipvm[p2p]'")

pytestmark = pytest.mark.slow
Ipvm = Callable[..., Awaitable["Ended"]]
DATA = random.Random(5).randbytes(40 * 262_144)
ROOT, BLOCKS = file_blocks(DATA)
NODES = 5


async def scatter(folder: Path) -> list[Path]:
    """Put each block into two of five stores, and the last, which is the root, into all."""
    folders = [folder / str(number) for number in range(NODES)]
    for number, path in enumerate(folders):
        held = [
            block
            for place, block in enumerate(BLOCKS)
            if block.cid == ROOT or number in {place % NODES, (place + 1) % NODES}
        ]
        with Lmdb(path) as store:
            await store.put_many(held)
    return folders


def after(count: int, act: Callable[[], None]) -> Callable[[library.Answer], None]:
    """Give what acts when so many answers of sources have come."""
    left = iter(range(count, -1, -1))
    return lambda _: act() if next(left, None) == 1 else None


@pytest.mark.parametrize("by_peers", [False, True])
async def test_of_five_nodes_one_dies_and_one_stalls_and_all_of_a_file_comes(
    by_peers: bool,  # noqa: FBT001
    tmp_path: Path,
    serve: "Serve",
) -> None:
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(serve(each)) for each in await scatter(tmp_path)]

        def strike() -> None:
            nodes[0].process.send_signal(signal.SIGKILL)
            nodes[2].process.send_signal(signal.SIGSTOP)

        with trio.fail_after(60):
            async with library.open(
                store=Memory(),
                sources=[] if by_peers else [node.gateway for node in nodes],
                peers=[node.peers[0] for node in nodes] if by_peers else [],
                on_answer=after(4, strike),
                cache=False,
            ) as node:
                assert await node.files.read(ROOT) == DATA
        assert await nodes[0].process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("count", [1, 4])
async def test_a_server_that_is_killed_harms_nobody_and_serves_again(
    count: int, tmp_path: Path, serve: "Serve"
) -> None:
    with Lmdb(tmp_path / "here") as store:
        await store.put_many(BLOCKS)
    with Lmdb(tmp_path / "there") as there:
        async with serve(tmp_path / "here") as here:
            kill = after(count, partial(here.process.send_signal, signal.SIGKILL))
            async with library.open(
                store=there, sources=[here.gateway], on_answer=kill, cache=False
            ) as node:
                with trio.fail_after(60), pytest.raises((library.Unavailable, library.NotFound)):
                    await node.files.read(ROOT)
        assert [fault async for fault in Check(there)] == []
        async with (
            serve(tmp_path / "here") as here,
            library.open(store=there, sources=[here.gateway], cache=False) as node,
        ):
            assert await node.files.read(ROOT) == DATA
    with Lmdb(tmp_path / "here") as store:
        assert [fault async for fault in Check(store)] == []


async def test_a_store_that_fills_up_stays_sound_and_what_is_fetched_is_given_all_the_same(
    tmp_path: Path, ipvm: Ipvm, serve: "Serve", administer: Callable[..., None]
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    administer("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small)
    try:
        with Lmdb(tmp_path / "here") as store:
            await store.put_many(BLOCKS)
        async with serve(tmp_path / "here") as here:
            got = await ipvm(
                small / "store", "get", "--gateway", here.gateway, ROOT, "-o", tmp_path / "file"
            )
            pinned = await ipvm(small / "store", "pin", "add", "--gateway", here.gateway, ROOT)
        assert got.code == 0, got.errors
        assert (tmp_path / "file").read_bytes() == DATA
        assert "not kept" in got.errors
        assert pinned.code in {3, 6}, pinned.errors
        with Lmdb(small / "store") as store:
            assert [fault async for fault in Check(store)] == []
    finally:
        administer("umount", "-l", small)


async def test_dialling_nobody_costs_no_more_than_a_moment(tmp_path: Path, ipvm: Ipvm) -> None:
    nobody = "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
    began = trio.current_time()
    got = await ipvm(tmp_path / "store", "cat", "--peer", nobody, ROOT)
    assert got.code == 9
    assert trio.current_time() - began < 30
