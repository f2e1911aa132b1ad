"""Real servers in processes of their own, and clients that hold each answer against the description."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

PATIENCE_SECONDS = 20

MATH = """(module
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "divide") (param f64 f64) (result f64) (f64.div (local.get 0) (local.get 1)))
  (func (export "both") (param f64 f64) (result f64 f64) (local.get 0) (local.get 1))
  (func (export "nothing"))
  (func (export "trap") unreachable)
  (func (export "spin") (loop $again (br $again))))"""

ECHO = """(module
  (memory (export "memory") 1)
  (func (export "bytes") (param i32) (result i32) (local.get 0))
  (func (export "link") (param i32) (result i32) (local.get 0))
  (func (export "ipld") (param i32) (result i32) (local.get 0)))"""

# Writes standard input to standard output, and exits with the number of its arguments.
CAT = """(module
  (import "wasi_snapshot_preview1" "args_sizes_get"
    (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 2)
  (func (export "_start")
    (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
    (i32.store (i32.const 8) (i32.const 1024)) (i32.store (i32.const 12) (i32.const 65536))
    (drop (call $fd_read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 16)))
    (i32.store (i32.const 12) (i32.load (i32.const 16)))
    (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))
    (call $proc_exit (i32.load (i32.const 0)))))"""


@dataclass(frozen=True)
class Got:
    """An answer.

    Attributes:
        status: Of HTTP.
        headers: By name in small letters.
        body: As it came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON may be anything
        """What it says."""
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """The kind of the failure."""
        kind = self.json["error"]["kind"]
        assert isinstance(kind, str)
        return kind


@dataclass
class Server:
    """A server in a process of its own."""

    process: subprocess.Popen[bytes]
    record: Mapping[str, Any]
    store: Path
    told: Path
    """What it has written to standard error."""

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.record["gateway"])
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    @property
    def token(self) -> str:
        return Path(self.record["token"]).read_text()

    def ask(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, **headers: str
    ) -> Got:
        """Ask; underscores in the names of headers stand for dashes."""
        connection = HTTPConnection(*self.address, timeout=PATIENCE_SECONDS)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, fields, answer.read())
        finally:
            connection.close()

    def post(self, path: str, record: object, **headers: str) -> Got:
        """Post a record with the token."""
        given = {"Content_Type": "application/json", "Authorization": f"Bearer {self.token}"}
        body = record if isinstance(record, bytes) else json.dumps(record).encode()
        return self.ask("POST", path, body, **{**given, **headers})

    def wait_for_line(self, part: str) -> str:
        """Give the line of the log that has a part, once it is there."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            for line in self.told.read_text().splitlines():
                if part in line:
                    return line
            time.sleep(0.01)
        raise AssertionError(f"no line has {part}")

    def wait_for_metric(self, name: str, value: float) -> None:
        """Wait until a metric has a value."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.metric(name) != value:
            assert time.monotonic() < end
            time.sleep(0.05)

    def metric(self, name: str) -> float:
        """Give the value of a metric."""
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        (value,) = [line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")]
        return float(value)


Ipvm = Callable[..., str]
Check = Callable[[Got, str, str], None]
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = {
    "$ref", "additionalProperties", "anyOf", "default", "description", "enum", "items",
    "maxItems", "maxLength", "maxProperties", "maximum", "minLength", "minimum",
    "exclusiveMinimum", "properties", "required", "title", "type",
}  # fmt: skip
"""Of JSON Schema, what is looked at below, and what bounds requests."""


def misfits(
    value: object, schema: Mapping[str, Any], whole: Mapping[str, Any], path: str = "$"
) -> Iterator[str]:
    """Say where a value is not what a schema says, as far as the description uses JSON Schema."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        yield from misfits(value, whole["components"]["schemas"][name], whole, path)
    elif "anyOf" in schema:
        found = [[*misfits(value, each, whole, path)] for each in schema["anyOf"]]
        if [] not in found:
            yield f"{path}: none of {found}"
    elif "enum" in schema:
        if value not in schema["enum"]:
            yield f"{path}: {value!r} is not in {schema['enum']}"
    elif "type" in schema:
        yield from misfits_of_type(value, schema, whole, path)


def misfits_of_type(
    value: object, schema: Mapping[str, Any], whole: Mapping[str, Any], path: str
) -> Iterator[str]:
    """Say where a value is not of the type of a schema, and where what it holds is not."""
    kind = schema["type"]
    if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{path}: {value!r} is no {kind}"
    elif isinstance(value, dict):
        yield from misfits_of_fields(value, schema, whole, path)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from misfits(each, schema.get("items", {}), whole, f"{path}[{number}]")


def misfits_of_fields(
    value: Mapping[str, object], schema: Mapping[str, Any], whole: Mapping[str, Any], path: str
) -> Iterator[str]:
    """Say which fields of an object are missing, not described, or not what is said of them."""
    fields, rest = schema.get("properties"), schema.get("additionalProperties")
    yield from (f"{path}: no {name}" for name in schema.get("required", ()) if name not in value)
    for name, each in value.items():
        below = (fields or {}).get(name, rest)
        if below is None and fields is None:
            continue  # a map of anything
        if not isinstance(below, dict):
            yield f"{path}: {name} is not described"
        else:
            yield from misfits(each, below, whole, f"{path}.{name}")


@pytest.fixture(scope="session")
def described(server: Server) -> "Check":
    """Hold an answer against the description of what a method of a path answers."""
    whole = server.ask("GET", "/openapi.json").json

    def described(got: Got, method: str, path: str) -> None:
        answers = whole["paths"][path][method.lower()]["responses"]
        ((kind, media),) = answers[str(got.status)]["content"].items()
        assert got.headers["content-type"] == kind
        if "schema" in media:
            assert [*misfits(got.json, media["schema"], whole)] == []

    return described


@pytest.fixture(scope="session")
def cli() -> Ipvm:
    """Run a command line in a process of its own, and give what it prints."""

    def cli(*words: object) -> str:
        command = [sys.executable, "-m", "ipvm", *map(str, words), "--quiet"]
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
        return done.stdout.decode().strip()

    return cli


Start = Callable[..., AbstractContextManager[Server]]
Ended = Callable[..., int]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Start a server, and end it whatever happens."""

    @contextmanager
    def start(store: Path, *words: object, is_piped: bool = False) -> Iterator[Server]:
        told = tmp_path_factory.mktemp("told") / "errors"
        command = ["serve", "--json", "--store", store, "--port", 0, *words]
        if "--listen" not in words:
            command.append("--no-peers")
        with told.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "ipvm", *map(str, command)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if is_piped else errors,
                env={name: value for name, value in os.environ.items() if name != "IPVM_TOKEN"},
            )
        with process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                assert line, told.read_text()
                yield Server(process, json.loads(line), store, told)
            finally:
                process.kill()

    return start


@pytest.fixture(scope="session")
def ended() -> Ended:
    """End a server by a signal, and give its exit code."""

    def ended(server: Server, number: int = signal.SIGTERM) -> int:
        server.process.send_signal(number)
        return server.process.wait(PATIENCE_SECONDS)

    return ended


@pytest.fixture(scope="session")
def failing() -> Ipvm:
    """Run a command line that is refused, and give what it says."""

    def failing(*words: object) -> str:
        command = [sys.executable, "-m", "ipvm", *map(str, words)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        assert done.returncode == 6, done.stderr
        return done.stderr.decode()

    return failing


@dataclass(frozen=True)
class Published:
    """CIDs of functions that are in the store."""

    math: str
    echo: str
    cat: str


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server of the session has its store."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="session")
def published(home: Path, cli: Ipvm) -> Published:
    """Publish the functions of the tests."""
    echo = home / "echo"
    echo.mkdir()
    (echo / "code.wat").write_text(ECHO)
    types = "".join(
        f'[exports.{name}]\nparams = ["{name}"]\nresults = ["{name}"]\n'
        for name in ("bytes", "link", "ipld")
    )
    (echo / "ipvm.toml").write_text(f'code = "code.wat"\n{types}')
    (home / "math.wat").write_text(MATH)
    (home / "cat.wat").write_text(CAT)
    paths = [home / "math.wat", echo, home / "cat.wat"]
    return Published(*cli("publish", "--store", home / "store", *paths).splitlines())


@pytest.fixture(scope="session")
def server(home: Path, published: Published, start: Start) -> Iterator[Server]:
    """A server of the session, with small bounds."""
    assert published.math
    with start(home / "store", "--timeout", 10, "--fuel", 10**12) as server:
        yield server
