"""Peers are served by the same process, and find it; needs the extra `p2p`."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ipvm.store.serving import servings

if TYPE_CHECKING:
    from tests.daemon.conftest import Ipvm, Published, Start

pytest.importorskip("libp2p", reason="the extra p2p is not installed")

LISTEN = ("--listen", "/ip4/127.0.0.1/tcp/0")


def test_a_peer_takes_a_function_and_knows_the_store_by_its_id(
    start: "Start", cli: "Ipvm", failing: "Ipvm", home: Path, published: "Published", tmp_path: Path
) -> None:
    with start(home / "store", *LISTEN) as server:
        (address,) = server.record["peer"]
        assert address.endswith(f"/p2p/{cli('peer', 'id', '--store', home / 'store')}")
        assert [each.peer for each in servings(home / "store") if each.peer] == [(address,)]
        elsewhere = ("--store", tmp_path / "store", "--peer", address)
        assert cli("call", *elsewhere, published.math, "add", "1", "2") == "3"
        told = failing("serve", "--store", home / "store", "--port", 0, *LISTEN)
        assert "--no-peers" in told
        taken = ("--listen", address.partition("/p2p/")[0])
        told = failing("serve", "--store", tmp_path / "other", "--port", 0, *taken)
        assert "--listen" in told


def test_what_is_announced_is_found_in_the_dht(
    start: "Start", cli: "Ipvm", home: Path, published: "Published", tmp_path: Path
) -> None:
    with start(tmp_path / "known", "--dht", *LISTEN) as known:
        peer = ("--dht", "--peer", known.record["peer"][0])
        with start(tmp_path / "store", *peer, *LISTEN) as server:
            assert server.record["dht"]
            source = home / "math.wat"
            cid = cli("publish", "--announce", "--store", tmp_path / "store", source)
            assert cid == published.math
            server.wait_for_metric("ipvm_announced_roots", 1)
            elsewhere = ("--store", tmp_path / "elsewhere", *peer)
            assert cli("call", *elsewhere, cid, "add", "1", "2") == "3"
