"""A server as a process: who leaves, who comes too many, how it ends, and what it shares."""

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ipvm.store.serving import servings

if TYPE_CHECKING:
    from tests.daemon.conftest import Ended, Ipvm, Published, Server, Start

PATIENCE_SECONDS = 20


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def spinning(server: "Server", published: "Published") -> Iterator[socket.socket]:
    """Call a function that does not end, and wait until it runs."""
    body = json.dumps({"target": published.math, "function": "spin"})
    head = f"POST /v1/call HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(server.address, timeout=PATIENCE_SECONDS) as client:
        before = server.metric("ipvm_runs")
        client.sendall((head + body).encode())
        wait_for(lambda: server.metric("ipvm_runs") > before)
        yield client


def test_a_function_ends_when_nobody_waits_for_it(server: "Server", published: "Published") -> None:
    with spinning(server, published):
        assert server.metric("ipvm_runs") == 1
    wait_for(lambda: server.metric("ipvm_runs") == 0)


def test_who_comes_too_many_is_told_to_come_again(
    start: "Start", home: Path, published: "Published"
) -> None:
    with start(home / "store", "--runs", 1) as server:
        asked = {"target": published.math, "function": "add", "args": [1, 2]}
        with spinning(server, published):
            got = server.post("/v1/call", asked)
            assert (got.status, got.kind, got.headers["retry-after"]) == (429, "Busy", "1")
            assert server.ask("GET", "/healthz").status == 200
        wait_for(lambda: server.post("/v1/call", asked).status == 200)


def test_those_who_have_asked_are_answered_before_the_end(
    start: "Start", ended: "Ended", home: Path, published: "Published"
) -> None:
    with (
        start(home / "store", "--timeout", 2) as server,
        spinning(server, published) as client,
    ):
        address = server.address
        assert [each.pid for each in servings(home / "store") if each.pid == server.process.pid]
        assert ended(server) == 0
        assert client.recv(100).startswith(b"HTTP/1.1 409")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        assert server.process.pid not in {each.pid for each in servings(home / "store")}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_nobody_is_waited_for_longer_than_agreed(
    start: "Start", ended: "Ended", home: Path, published: "Published", number: int, code: int
) -> None:
    with start(home / "store", "--grace", 0.2) as server, spinning(server, published) as client:
        assert ended(server, number) == code
        assert client.recv(100) == b""


def test_a_second_signal_ends_it_at_once(
    start: "Start", ended: "Ended", home: Path, published: "Published"
) -> None:
    with start(home / "store", "--timeout", 1000, "--grace", 1000) as server:
        with spinning(server, published):
            server.process.send_signal(signal.SIGTERM)
            wait_for(
                lambda: server.process.pid not in {each.pid for each in servings(server.store)}
            )
            assert ended(server) == -signal.SIGTERM


def test_a_killed_server_leaves_a_sound_store_and_no_record(
    start: "Start", ended: "Ended", cli: "Ipvm", tmp_path: Path, home: Path, published: "Published"
) -> None:
    store = tmp_path / "store"
    cli("publish", "--store", store, home / "math.wat")
    with start(store) as server, spinning(server, published):
        server.post("/v1/call", {"target": published.math, "function": "trap", "receipt": True})
        ended(server, signal.SIGKILL)
    assert [*(store / "serving").iterdir()]
    assert servings(store) == []
    cli("store", "check", "--store", store)
    with start(store) as server:
        assert [each.pid for each in servings(store)] == [server.process.pid]
        asked = {"target": published.math, "function": "add", "args": [1, 2]}
        assert server.post("/v1/call", asked).json["value"] == 3


@pytest.mark.parametrize("is_read", [False, True])
def test_a_log_that_nobody_reads_keeps_nobody_waiting(
    start: "Start", ended: "Ended", home: Path, published: "Published", *, is_read: bool
) -> None:
    with start(home / "store", is_piped=True) as server:
        assert server.process.stderr is not None
        asked = f"GET /{published.math * 8} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        with socket.create_connection(server.address, timeout=PATIENCE_SECONDS) as client:
            for _ in range(1500):
                client.sendall(asked)
                assert client.recv(65536).startswith(b"HTTP/1.1 404")
        if is_read:
            server.process.send_signal(signal.SIGTERM)
            lines = server.process.stderr.read().decode().splitlines()
            told = [json.loads(line) for line in lines]
            (dropped,) = [each["message"] for each in told if each["event"] == "log"]
            answered = sum(each["event"] == "request" for each in told)
            assert dropped.startswith(f"{1500 - answered} lines")
        assert ended(server) == 0


def test_what_another_process_publishes_is_served_at_once(
    server: "Server", cli: "Ipvm", tmp_path: Path
) -> None:
    source = tmp_path / "seven.wat"
    source.write_text('(module (func (export "seven") (result i32) (i32.const 7)))')
    cid = cli("publish", "--store", server.store, source)
    assert server.post("/v1/call", {"target": cid, "function": "seven"}).json["value"] == 7
    gateway = server.record["gateway"]
    elsewhere = tmp_path / "elsewhere"
    assert cli("call", "--store", elsewhere, "--gateway", gateway, cid, "seven") == "7"


def test_what_is_not_here_is_fetched_for_functions_and_for_others_if_asked(
    start: "Start", server: "Server", published: "Published", tmp_path: Path
) -> None:
    source = ("--gateway", server.record["gateway"])
    asked = {"target": published.math, "function": "add", "args": [1, 2]}
    path = f"/ipfs/{published.echo}?format=raw"
    with start(tmp_path / "a", *source) as near:
        assert near.ask("GET", path).status == 404
        assert near.post("/v1/call", asked).json["value"] == 3
        label = f'ipvm_fetches_total{{source="{server.record["gateway"]}",outcome="block"}}'
        assert near.metric(label) >= 1
    with start(tmp_path / "b", *source, "--fetch") as far:
        assert far.ask("GET", path).status == 200
    with start(tmp_path / "c", *source, "--offline") as alone:
        assert alone.post("/v1/call", asked).status == 404


def test_the_token_may_be_given_in_a_file(
    start: "Start", published: "Published", home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("a-token-of-one-s-own\n")
    asked = {"target": published.math, "function": "add", "args": [1, 2]}
    with start(home / "store", "--token-file", file) as server:
        got = server.post("/v1/call", asked, Authorization="Bearer a-token-of-one-s-own")
        assert got.status == 200


def test_a_name_may_be_allowed(start: "Start", home: Path) -> None:
    with start(home / "store", "--allow-host", "Ours.example") as server:
        assert server.ask("GET", "/healthz", Host="ours.example:443").status == 200
        assert server.ask("GET", "/healthz", Host="theirs.example").status == 403


def test_a_port_that_is_taken_is_refused(server: "Server", failing: "Ipvm") -> None:
    _, port = server.address
    error = failing("serve", "--store", server.store, "--no-peers", "--port", port)
    assert "--port" in error
