"""Commands that take what is not here from gateways."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ipvm.cli.fetching import Fetching
from ipvm.exchange import Answer, configured_gateways
from ipvm.exchange.answer import Outcome
from ipvm.ipld import Cid

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm

DATA = b"far away"
CID = str(Cid.of(DATA))
ABSENT = str(Cid.of(b"absent"))
NOBODY = "http://127.0.0.1:1"


class Handler(BaseHTTPRequestHandler):
    """Has one block."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = CID in self.path
        body = DATA if found else b"not here"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/vnd.ipld.raw")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a gateway."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_block_comes_from_a_gateway_and_stays(ipvm: "Ipvm", url: str) -> None:
    assert ipvm("block", "get", CID).code == 3
    assert ipvm("block", "get", CID, "--gateway", url).output == DATA
    assert ipvm("block", "get", CID, "--offline").output == DATA


@pytest.mark.parametrize("variable", ["IPVM_GATEWAYS", "IPFS_GATEWAY", "IPFS_PATH", "XDG"])
def test_gateways_may_be_chosen_once_for_all(
    ipvm: "Ipvm", url: str, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if variable == "IPFS_PATH":
        (tmp_path / "gateway").write_text(url)
        monkeypatch.setenv(variable, str(tmp_path))
    elif variable == "XDG":
        (tmp_path / "ipfs").mkdir()
        (tmp_path / "ipfs" / "gateways").write_text(f"# mine\n\nno address\n{url}/\n")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    else:
        monkeypatch.setenv(variable, f"{NOBODY} {url}")
    assert ipvm("block", "get", CID, "--offline").code == 3
    assert ipvm("block", "get", CID).output == DATA


def test_what_is_named_takes_the_place_of_what_was_chosen(
    ipvm: "Ipvm", url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPVM_GATEWAYS", url)
    assert ipvm("block", "get", CID, "--gateway", NOBODY).code == 9
    assert ipvm("block", "get", CID).output == DATA


def test_a_file_comes_from_a_gateway(ipvm: "Ipvm", url: str, tmp_path: Path) -> None:
    assert ipvm("get", CID, "-o", tmp_path / "file", "--gateway", url).code == 0
    assert (tmp_path / "file").read_bytes() == DATA
    ended = ipvm("get", f"{ABSENT}/a/b", "-o", tmp_path / "file", "--gateway", url)
    assert ended.code == 3
    assert ABSENT in ended.errors


def test_gateways_are_looked_for_in_order_and_none_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / "gateway").write_text("http://kubo\n")
    (tmp_path / "ipfs").mkdir()
    (tmp_path / "ipfs" / "gateways").write_text("http://one\nhttp://env\n\xff")
    found = {
        "IPFS_GATEWAY": "http://env oops",
        "IPFS_PATH": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    assert configured_gateways(found) == ["http://env", "http://kubo", "http://one"]
    assert configured_gateways(found | {"IPVM_GATEWAYS": ""}) == []
    assert configured_gateways({"HOME": str(tmp_path)}) == []
    assert configured_gateways({}) == []


def test_a_gateway_that_is_named_wrongly_is_refused(
    ipvm: "Ipvm", monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = ipvm("block", "get", CID, "--gateway", "gopher://host")
    assert ended.code == 4
    assert "'gopher://host' is no address of a gateway" in ended.errors
    monkeypatch.setenv("IPVM_GATEWAYS", "oops")
    assert ipvm("block", "get", CID).code == 4
    assert ipvm("block", "get", CID, "--offline").code == 3


def test_it_is_told_who_sent_what(ipvm: "Ipvm", url: str) -> None:
    words = ["--gateway", NOBODY, "--gateway", url, "--trace"]
    lines = ipvm("block", "get", CID, *words).errors.splitlines()
    assert lines[0].startswith(f"[trace] {CID}: not from {NOBODY}: {NOBODY} cannot be reached")
    assert lines[1].startswith(f"[trace] {CID}: 8 bytes from {url}, ")
    ended = ipvm("block", "get", ABSENT, "--gateway", url, "--trace", "--json")
    told = json.loads(ended.errors.splitlines()[0])
    assert (told["outcome"], told["source"], told["cid"]) == ("absent", url, ABSENT)
    assert ipvm("block", "get", ABSENT, "--gateway", url, "--trace", "--quiet").errors.startswith(
        "Error: "
    )


def test_a_person_who_waits_is_told_what_has_come() -> None:
    passed_on: list[Answer] = []
    fetching = Fetching(passed_on.append)
    assert fetching.shown() == ""
    came: list[tuple[Outcome, int]] = [("block", 1000), ("absent", 0), ("block", 234)]
    for outcome, size in came:
        fetching.take(
            Answer(cid=Cid.of(DATA), source="it", outcome=outcome, seconds=1, block_bytes=size)
        )
    assert fetching.shown() == " (2 blocks fetched, 1,234 bytes)"
    assert len(passed_on) == 3


def test_a_call_of_what_is_here_loads_nothing_of_the_network(
    ipvm: "Ipvm", math: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cid = ipvm("publish", math).line
    monkeypatch.setenv("IPVM_GATEWAYS", NOBODY)
    program = f"""
import sys
from ipvm.cli import run
code = run(["call", "{cid}", "add", "1", "2"])
print(code, "h11" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"3\n0 False\n"
