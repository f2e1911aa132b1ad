"""Commands that take what is not here from a Kubo, and give it what is published."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ipvm.exchange.kubo import InvalidKubo, KuboUnavailable, configured_kubo
from ipvm.exchange.kubo.address import kubo_address
from ipvm.ipld import Cid

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Ipvm
    from tests.kubo import Daemon

NOBODY = "http://127.0.0.1:1"
ABSENT = str(Cid.of(b"absent, and nobody has ever had it"))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("http://127.0.0.1:5001", "http://127.0.0.1:5001"),
        ("https://kubo.example/api/v0/", "https://kubo.example"),
        ("https://kubo.example/behind/api/v0", "https://kubo.example/behind"),
        ("/ip4/127.0.0.1/tcp/5001\n", "http://127.0.0.1:5001"),
        ("/ip4/0.0.0.0/tcp/5001/http", "http://127.0.0.1:5001"),
        ("/ip6/::1/tcp/5001", "http://[::1]:5001"),
        ("/ip6/::/tcp/5001", "http://[::1]:5001"),
        ("/dns4/kubo.example/tcp/443/https", "https://kubo.example"),
        ("/dns/kubo.example/tcp/8443/tls/http", "https://kubo.example:8443"),
    ],
)
def test_the_rpc_of_a_kubo_is_named_by_url_or_multiaddr(text: str, read: str) -> None:
    assert str(kubo_address(text)) == read


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "oops", "127.0.0.1:5001", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/5001",
        "/ip4/127.0.0.1/tcp/x", "/ip4/127.0.0.1/tcp/70000", "/ip4//tcp/1", "/unix/tmp/kubo",
        "/ip4/127.0.0.1/tcp/5001/p2p/12D3", "/dns/a b/tcp/1", "/dns/a@b/tcp/1", "gopher://a",
        "http://a?b", "http://a\r\nb", "/ip6/::1]/tcp/1", "/" * 100_000,
    ],
)  # fmt: skip
def test_what_names_no_kubo_is_refused(text: str) -> None:
    with pytest.raises(InvalidKubo):
        kubo_address(text)


def test_the_kubo_of_this_machine_is_found(tmp_path: Path) -> None:
    (tmp_path / ".ipfs").mkdir()
    (tmp_path / ".ipfs" / "api").write_text("/ip4/127.0.0.1/tcp/5001")
    (tmp_path / "api").write_text("\xff")
    home = {"HOME": str(tmp_path)}
    assert configured_kubo(home) == "/ip4/127.0.0.1/tcp/5001"
    assert configured_kubo(home | {"IPFS_API": NOBODY, "IPFS_PATH": str(tmp_path)}) == NOBODY
    with pytest.raises(InvalidKubo):
        configured_kubo(home | {"IPFS_PATH": str(tmp_path)})
    for nothing in ({}, {"IPFS_PATH": str(tmp_path / "absent")}, {"IPFS_PATH": "\0"}):
        with pytest.raises(KuboUnavailable, match="ipfs daemon"):
            configured_kubo(nothing)


def test_one_that_is_not_there_is_unavailable(ipvm: "Ipvm", math: str) -> None:
    assert ipvm("block", "get", ABSENT, "--kubo", NOBODY).code == 9
    assert ipvm("block", "get", ABSENT, "--kubo", NOBODY, "--offline").code == 3
    assert ipvm("block", "get", ABSENT, "--kubo", "auto").code == 9
    assert ipvm("block", "get", ABSENT, "--kubo", "oops").code == 4
    ended = ipvm("publish", math, "--to", "kubo", "--kubo", NOBODY)
    assert (ended.code, len(ended.text.splitlines())) == (9, 1)
    assert "`ipfs daemon` starts Kubo" in ended.errors
    assert ipvm("publish", math, "--to", "kubo", "--offline").code == 2


def test_nobody_is_asked_who_was_not_named(
    ipvm: "Ipvm", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "api").write_text("/ip4/127.0.0.1/tcp/1")
    monkeypatch.setenv("IPFS_PATH", str(tmp_path))
    monkeypatch.setenv("IPFS_API", NOBODY)
    assert ipvm("block", "get", ABSENT).code == 3


def test_a_function_that_kubo_got_is_called_elsewhere(
    ipvm: "Ipvm", kubo_daemon: "Daemon", math: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, is_documented: "Callable[..., bool]",
) -> None:  # fmt: skip
    monkeypatch.setenv("IPVM_GATEWAYS", "")
    monkeypatch.setenv("IPFS_API", kubo_daemon.api)
    record = ipvm("publish", math, "--to", "kubo", "--json").record
    assert is_documented(record)
    (published,) = record["published"]
    sent = published["kubo"]
    assert (sent["roots"], sent["announced"]) == ([published["cid"]], False)
    assert "no connected peers" in sent["problem"]
    pins = kubo_daemon.run("pin", "ls", "--names", "--type=recursive").decode()
    assert f"{published['cid']} recursive ipvm math" in pins
    kubo_daemon.run("repo", "gc")
    elsewhere = ["call", published["cid"], "add", "1", "2", "--store", tmp_path / "elsewhere"]
    assert ipvm(*elsewhere).code == 3
    ended = ipvm(*elsewhere, "--kubo", "auto", "--trace")
    assert ended.line == "3"
    assert f"bytes from Kubo at {sent['at']}, " in ended.errors
    assert ipvm(*elsewhere, "--offline").line == "3"
    ended = ipvm("block", "get", ABSENT, "--kubo", kubo_daemon.api, "--trace", "--quiet")
    assert ended.code == 3


def test_a_file_that_kubo_has_is_read(
    ipvm: "Ipvm", kubo_daemon: "Daemon", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPVM_GATEWAYS", "")
    data = bytes(range(255)) * 3000
    cid = kubo_daemon.run("add", "-Q", "--chunker=size-1000", given=data).decode().strip()
    assert ipvm("cat", cid).code == 3
    assert ipvm("cat", cid, "--kubo", kubo_daemon.api).output == data
