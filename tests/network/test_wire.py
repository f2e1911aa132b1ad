"""A wire that takes its time, loses packets, or is cut: what is fetched is right, or is an error in time."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

if TYPE_CHECKING:
    from tests.network.conftest import Ended, Serve, Served, Wire

pytest.importorskip("libp2p", reason="libp2p is not installed: pip install 'ipvm[p2p]'")

pytestmark = pytest.mark.slow
Ipvm = Callable[..., Awaitable["Ended"]]
Wired = Callable[..., "AbstractAsyncContextManager[Wire]"]
HOST = "10.9.0.1"
DATA = bytes(range(256)) * 8192
SECONDS = 60


@pytest.fixture
async def added(tmp_path: Path, ipvm: Ipvm) -> str:
    """A file of some blocks, on the first machine."""
    (tmp_path / "file").write_bytes(DATA)
    added = await ipvm(
        tmp_path / "here", "add", "--json", tmp_path / "file", "--chunk-bytes", 65536
    )
    assert added.code == 0, added.errors
    cid: str = added.record["added"][0]["cid"]
    return cid


def ways(served: "Served") -> list[tuple[str, str]]:
    """The options by which another machine can have what is served."""
    return [("--gateway", served.gateway), *(("--peer", peer) for peer in served.peers)]


@pytest.mark.parametrize("weather", [{"delay": 0.025}, {"delay": 0.002, "loss": 0.05}])
async def test_a_file_comes_over_a_long_wire_and_over_a_bad_one(
    weather: dict[str, float], tmp_path: Path, added: str, ipvm: Ipvm, serve: "Serve", wire: Wired
) -> None:
    async with (
        wire(**weather) as joined,
        serve(tmp_path / "here", on=joined.first, host=HOST) as here,
    ):
        for number, way in enumerate(ways(here)):
            store = tmp_path / f"there{number}"
            got = await ipvm(store, "get", *way, added, "-o", store / "file", on=joined.second)
            assert got.code == 0, got.errors
            assert (store / "file").read_bytes() == DATA


async def test_who_is_cut_off_is_told_in_time_and_goes_on_when_it_is_mended(
    tmp_path: Path, added: str, ipvm: Ipvm, serve: "Serve", wire: Wired
) -> None:
    async with wire() as joined, serve(tmp_path / "here", on=joined.first, host=HOST) as here:
        for number, way in enumerate(ways(here)):
            store = tmp_path / f"there{number}"
            get = ("get", *way, added, "-o", store / "file", "--limit", "fetch_seconds_max=3")
            await joined.cut()
            began = trio.current_time()
            cut = await ipvm(store, *get, on=joined.second)
            assert (cut.code, trio.current_time() - began < SECONDS) == (9, True), cut.errors
            assert not (store / "file").exists()
            await joined.mend()
            mended = await ipvm(store, *get, on=joined.second)
            assert mended.code == 0, mended.errors
            assert (store / "file").read_bytes() == DATA
