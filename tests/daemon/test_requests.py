"""What the API answers to good requests and to bad ones, each held against its own description."""

import json
import re
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.daemon.conftest import Check, Published, Server

ABSENT = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


@pytest.mark.parametrize(
    ("function", "args", "value"),
    [
        ("math.add", [2, 3], 5),
        ("math.add", [-2147483648, 0], -2147483648),
        ("math.divide", [1, 0], "Infinity"),
        ("math.divide", ["Infinity", 2.0], "Infinity"),
        ("math.both", [0.5, 2], [0.5, 2.0]),
        ("math.nothing", [], None),
        ("echo.bytes", [{"/": {"bytes": "AP8"}}], {"/": {"bytes": "AP8"}}),
        ("echo.link", [{"/": ABSENT}], {"/": ABSENT}),
        ("echo.ipld", [{"b": [1, 2.5, None], "a": "ü"}], {"a": "ü", "b": [1, 2.5, None]}),
        ("echo.ipld", [None], None),
    ],
)
def test_a_function_gives_its_value(
    server: "Server",
    published: "Published",
    described: "Check",
    function: str,
    args: list[object],
    value: object,
) -> None:
    program, _, function = function.partition(".")
    cid = getattr(published, program)
    asked = {"target": cid, "function": function, "args": args}
    plain = server.post("/v1/call", asked)
    got = server.post("/v1/call", {**asked, "receipt": True})
    for each in (plain, got):
        assert (each.status, each.json["value"], each.json["cid"]) == (200, value, cid)
        described(each, "POST", "/v1/call")
        assert ("receipt" in each.json) == (each is got)
    kept = server.ask("GET", f"/v1/receipt/{got.json['receipt']}")
    assert kept.json["fuel"] == got.json["fuel"]
    assert "immutable" in kept.headers["cache-control"]
    described(kept, "GET", "/v1/receipt/{cid}")


def test_a_function_that_fails_has_a_receipt_too(
    server: "Server", published: "Published", described: "Check"
) -> None:
    asked = {"target": published.math, "function": "trap", "receipt": True}
    got = server.post("/v1/call", asked)
    assert (got.status, got.json["error"]["code"]) == (422, 5), got.body
    assert got.json["error"]["guest"]["kind"] == "trap"
    described(got, "POST", "/v1/call")
    kept = server.ask("GET", f"/v1/receipt/{got.json['receipt']}")
    assert kept.json["out"]["error"]["kind"] == "trap"
    described(kept, "GET", "/v1/receipt/{cid}")


@pytest.mark.parametrize("stdin", ["some text", {"/": {"bytes": "c29tZSB0ZXh0"}}])
def test_a_command_runs_over_what_it_is_given(
    server: "Server", published: "Published", described: "Check", stdin: object
) -> None:
    got = server.post("/v1/run", {"target": published.cat, "args": ["a", "b"], "stdin": stdin})
    assert (got.status, got.json["exit"]) == (200, 3)
    described(got, "POST", "/v1/run")
    assert server.ask("GET", f"/ipfs/{got.json['stdout']}?format=raw").body == b"some text"
    again = {"/": got.json["stdout"]}
    mounted = {"target": published.cat, "stdin": again, "mounts": {"/a": got.json["stdout"]}}
    other = server.post("/v1/run", mounted)
    assert other.json["stdout"] == got.json["stdout"]
    record = server.ask("GET", f"/v1/receipt/{other.json['record']}")
    described(record, "GET", "/v1/receipt/{cid}")


BAD_CALLS: list[tuple[object, int, str]] = [
    (b"", 400, "InvalidArguments"),
    (b"{", 400, "InvalidArguments"),
    (b'{"target":"\xff"}', 400, "InvalidArguments"),
    (b"[" * 100_000, 400, "InvalidArguments"),
    (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400, "InvalidArguments"),
    (b'{"args":[' + b"9" * 100_000 + b"]}", 400, "InvalidArguments"),
    ([], 400, "InvalidArguments"),
    ({}, 400, "InvalidArguments"),
    ({"target": 1, "function": "add"}, 400, "InvalidArguments"),
    ({"target": "CID", "function": "add", "else": 1}, 400, "InvalidArguments"),
    ({"target": "CID", "function": "\ud800"}, 400, "InvalidArguments"),
    ({"target": "CID", "function": "add", "args": [1]}, 400, "InvalidArguments"),
    ({"target": "CID", "function": "add", "args": [1, "2"]}, 400, "InvalidArguments"),
    ({"target": "CID", "function": "add", "args": [1, 2**31]}, 400, "InvalidArguments"),
    ({"target": "CID", "function": "add", "args": [0] * 1001}, 400, "InvalidArguments"),
    ({"target": "CID", "function": "absent"}, 400, "InvalidArguments"),
    ({"target": "CID", "function": "add", "args": [1, 2], "fuel": 0}, 400, "InvalidArguments"),
    ({"target": "CID", "function": "add", "args": [1, 2], "timeout": 0}, 400, "InvalidArguments"),
    ({"target": "CID", "function": "add", "args": [1, 2], "profile": "x"}, 400, "InvalidArguments"),
    ({"target": "CID", "function": "add", "args": [1, 2], "fuel": 10**13}, 409, "LimitExceeded"),
    ({"target": "CID", "function": "add", "args": [1, 2], "memory": 2**50}, 409, "LimitExceeded"),
    ({"target": "CID", "function": "spin", "timeout": 0.2}, 409, "LimitExceeded"),
    ({"target": "CID", "function": "spin", "fuel": 1000}, 422, "GuestError"),
    ({"target": "CID", "function": "trap"}, 422, "GuestError"),
    ({"target": ABSENT, "function": "add"}, 404, "NotFound"),
    ({"target": "/etc/passwd", "function": "add"}, 400, "InvalidData"),
    ({"target": "PATH", "function": "add", "args": [1, 2]}, 400, "InvalidData"),
    ({"target": "./PATH", "function": "add", "args": [1, 2]}, 400, "InvalidData"),
    ({"target": "", "function": "add"}, 400, "InvalidArguments"),
]


@pytest.mark.parametrize(("asked", "status", "kind"), BAD_CALLS)
def test_a_bad_call_has_its_status(
    server: "Server",
    published: "Published",
    described: "Check",
    asked: object,
    status: int,
    kind: str,
) -> None:
    text = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    path = str(server.store.parent / "math.wat").encode()
    got = server.post(
        "/v1/call", text.replace(b'"CID"', f'"{published.math}"'.encode()).replace(b"PATH", path)
    )
    assert (got.status, got.kind) == (status, kind), got.body
    described(got, "POST", "/v1/call")


@pytest.mark.parametrize(
    "given",
    [
        {"mounts": {"/a": "/etc"}},
        {"mounts": {"/a": "PATH"}},
        {"mounts": {"/a": 1}},
        {"mounts": {"/a": f"{ABSENT}/../.."}},
        {"input": "/etc"},
        {"input": [1]},
        {"stdin": 1},
        {"stdin": {"path": "/etc/passwd"}},
        {"args": [1]},
        {"args": ["a\0b"]},
        {"env": {"A": 1}},
        {"env": {"A=B": "1"}},
        {"outputs": ["../x"]},
        {"workdir": "/nowhere"},
    ],
)
def test_a_command_is_given_nothing_of_this_machine(
    server: "Server", published: "Published", described: "Check", given: dict[str, object]
) -> None:
    text = json.dumps({"target": published.cat, **given})
    got = server.post("/v1/run", text.replace("PATH", str(server.store.parent)).encode())
    assert got.status == 400, got.body
    described(got, "POST", "/v1/run")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer \xff"}, 401),
        ({"Authorization": "Basic TOKEN"}, 401),
        ({"Authorization": "bearer TOKEN"}, 200),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": "application/json; charset=utf-8"}, 200),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://HOST"}, 200),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Host": "elsewhere.example"}, 403),
        ({"Host": "127.0.0.1.elsewhere.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:80"}, 200),
    ],
)
def test_nobody_runs_anything_without_the_token_or_from_another_site(
    server: "Server",
    published: "Published",
    described: "Check",
    headers: dict[str, str],
    status: int,
) -> None:
    filled = {
        name: value.replace("TOKEN", server.token).replace("HOST", "{}:{}".format(*server.address))
        for name, value in headers.items()
    }
    asked = {"target": published.math, "function": "add", "args": [1, 2]}
    got = server.post("/v1/call", asked, **filled)
    assert got.status == status
    described(got, "POST", "/v1/call")
    assert "access-control-allow-origin" not in got.headers
    assert server.token not in got.body.decode()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/call", 405),
        ("OPTIONS", "/v1/call", 405),
        ("POST", "/healthz", 405),
        ("DELETE", "/v1/receipt/x", 405),
        ("GET", "/v1/receipt/", 400),
        ("GET", "/v1/receipt/../../etc/passwd", 400),
        ("GET", f"/v1/receipt/{ABSENT}", 404),
        ("GET", "/v1/receipt/MATH", 404),
        ("GET", "/v2/call", 404),
        ("GET", "/healthz?x=1", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/v1/openapi.json", 200),
    ],
)
def test_each_path_has_its_methods(
    server: "Server",
    published: "Published",
    described: "Check",
    method: str,
    path: str,
    status: int,
) -> None:
    got = server.ask(method, path.replace("MATH", published.math))
    assert got.status == status, got.body
    assert ("allow" in got.headers) == (status == 405)
    if method == "GET" and path.startswith("/v1/receipt/"):
        described(got, "GET", "/v1/receipt/{cid}")


@pytest.mark.parametrize(
    ("path", "size", "token", "status"),
    [
        ("/v1/call", 16 * 1024, "wrong", 401),
        ("/v1/call", 16 * 1024 + 1, "wrong", 413),
        ("/v1/call", 16 * 1024 + 1, "TOKEN", 400),
        ("/v1/call", 4 * 1024 * 1024, "TOKEN", 400),
        ("/healthz", 1, "TOKEN", 413),
        ("/ipfs/x", 1, "TOKEN", 413),
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_too_large_is_not_taken(
    server: "Server", path: str, size: int, token: str, status: int, *, is_chunked: bool
) -> None:
    named = {"Authorization": f"Bearer {token.replace('TOKEN', server.token)}"}
    body = b" " * size
    got = server.ask(
        "POST", path, iter([body]) if is_chunked else body, Content_Type="application/json", **named
    )
    assert got.status == status


def test_a_body_that_says_that_it_is_too_large_is_not_waited_for(server: "Server") -> None:
    head = f"POST /v1/call HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
    with socket.create_connection(server.address, timeout=10) as client:
        client.sendall(f"{head}Content-Length: {4 * 1024 * 1024 + 1}\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_the_gateway_is_at_the_same_address(server: "Server", published: "Published") -> None:
    got = server.ask("GET", f"/ipfs/{published.math}?format=raw")
    assert got.status == 200
    assert server.ask("GET", f"/ipfs/{ABSENT}?format=raw").status == 404
    assert server.ask("GET", f"/ipfs/{ABSENT}?format=raw", Host="elsewhere.example").status == 403


def test_the_metrics_are_those_of_prometheus(server: "Server", published: "Published") -> None:
    before = server.metric("ipvm_runs_total")
    server.post("/v1/call", {"target": published.math, "function": "add", "args": [1, 2]})
    server.ask("GET", "/no/such/path/as/this")
    assert server.metric("ipvm_runs_total") == before + 1
    got = server.ask("GET", "/metrics")
    text = got.body.decode()
    line = re.compile(r'(# (HELP|TYPE) .*|[a-z_]+(\{([a-z]+="[^"\\\n]*",?)+\})? [0-9.e+-]+)\n')
    assert "".join(found[0] for found in line.finditer(text)) == text
    assert 'route="other"' in text
    assert "/no/such" not in text
    for name in ("ipvm_store_blocks", "process_resident_memory_bytes", "ipvm_fuel_total"):
        assert server.metric(name) > 0


def test_a_request_is_one_line_of_the_log_and_has_no_secret(server: "Server") -> None:
    server.ask("GET", "/v1/%1b[2J?token=hidden", Authorization=f"Bearer {server.token}")
    record = json.loads(server.wait_for_line("%1b[2J"))
    assert (record["event"], record["method"], record["status"]) == ("request", "GET", 404)
    text = server.told.read_text()
    assert server.token not in text
    assert "hidden" not in text
