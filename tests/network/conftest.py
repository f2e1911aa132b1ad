"""Nodes in processes of their own, on this machine, or on two that are joined by a wire."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio

WIRE = Path(__file__).parent / "wire.py"


class Ended(NamedTuple):
    """What a command line came to."""

    code: int
    output: str
    errors: str

    @property
    def record(self) -> Any:  # noqa: ANN401 - it is JSON
        """The one JSON object that was written."""
        return json.loads(self.output)


@dataclass
class Served:
    """A store that is served by a process."""

    process: trio.Process
    gateway: str
    peers: Sequence[str]


@dataclass
class Wire:
    """Two machines: the words before a command that runs on each, and what joins them."""

    first: Sequence[str]
    second: Sequence[str]
    _process: trio.Process

    async def cut(self) -> None:
        """Let nothing through any more."""
        await self._do(b"cut\n")

    async def mend(self) -> None:
        """Let packets through again."""
        await self._do(b"mend\n")

    async def _do(self, line: bytes) -> None:
        assert self._process.stdin
        assert self._process.stdout
        await self._process.stdin.send_all(line)
        assert await self._process.stdout.receive_some() == b"done\n"


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def ipvm() -> Callable[..., Any]:
    """Run a command line in a process of its own, with a store of its own."""

    async def ipvm(store: Path, *words: object, on: Sequence[str] = ()) -> Ended:
        command = [*on, sys.executable, "-m", "ipvm", *map(str, words)]
        with trio.fail_after(60):
            done = await trio.run_process(
                command, capture_stdout=True, capture_stderr=True, check=False, env=_environ(store)
            )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    return ipvm


@pytest.fixture
def serve() -> Serve:
    """Run `ipvm serve` on a store, until the context ends."""

    @asynccontextmanager
    async def serve(
        store: Path, *words: str, on: Sequence[str] = (), host: str = "127.0.0.1"
    ) -> AsyncIterator[Served]:
        listen = ["--listen", f"/ip4/{host}/tcp/0"]
        command = [*on, sys.executable, "-m", "ipvm", "serve", "--json", "--port", "0"]
        process = await trio.lowlevel.open_process(
            [*command, "--host", host, *listen, *words],
            env=_environ(store),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        async with ended(process):
            record = json.loads(await line(process))
            yield Served(process, record["gateway"], record["peer"])

    return serve


@pytest.fixture
def wire() -> Callable[..., AbstractAsyncContextManager[Wire]]:
    """Join two machines by a wire with a delay and losses; skip the test where that cannot be."""

    @asynccontextmanager
    async def wire(*, delay: float = 0, loss: float = 0) -> AsyncIterator[Wire]:
        process = await trio.lowlevel.open_process(
            [sys.executable, str(WIRE), str(delay), str(loss)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with ended(process):
            numbers = (await line(process)).split()
            if len(numbers) != 2:
                assert process.stderr
                reason = (await process.stderr.receive_some()).decode().strip().splitlines()
                pytest.skip(f"no network namespaces here: {reason[-1:]}")
            first, second = (("nsenter", "-t", each.decode(), "-n") for each in numbers)
            yield Wire(first, second, process)

    return wire


@asynccontextmanager
async def ended(process: trio.Process) -> AsyncIterator[None]:
    """End a process with the context, whatever state it is in."""
    try:
        yield
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    await pipe.aclose()


async def line(process: trio.Process) -> bytes:
    """Read the first line that a process writes; nothing, if it writes none."""
    data = b""
    assert process.stdout
    with trio.fail_after(60):
        while not data.endswith(b"\n") and (more := await process.stdout.receive_some()):
            data += bytes(more)
    return data


def _environ(store: Path) -> dict[str, str]:
    return os.environ | {"IPVM_STORE": str(store), "PYTHONDONTWRITEBYTECODE": "1"}
