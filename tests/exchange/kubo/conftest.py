"""A real Kubo as ipvm meets it, and something that pretends to be one."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import pytest
import trio
from trio.testing import MockClock

from ipvm.exchange.kubo import Kubo
from ipvm.limits import Limits

if TYPE_CHECKING:
    from tests.kubo import Daemon


@pytest.fixture
async def kubo(kubo_daemon: "Daemon") -> AsyncIterator[Kubo]:
    """The real one, as ipvm meets it."""
    async with Kubo(kubo_daemon.api) as kubo:
        yield kubo


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps ahead when nothing happens; a test gets it by naming it."""
    return MockClock(autojump_threshold=0.05)


Answer: TypeAlias = Callable[["Pretender"], Awaitable[None]]


@dataclass
class Pretender:
    """Takes one request after the other, and does what a test wants instead of answering."""

    answer: Answer | None = None
    url: str = ""
    asked: list[str] = field(default_factory=list)
    stream: trio.SocketStream | None = None
    open: int = 0
    reads_bodies: bool = True
    left: trio.Event = field(default_factory=trio.Event)

    async def serve(self, stream: trio.SocketStream) -> None:
        self.open, self.stream = self.open + 1, stream
        try:
            await self._converse(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.open -= 1
            self.left.set()
            await trio.aclose_forcefully(stream)

    async def _converse(self, stream: trio.SocketStream) -> None:
        held = b""
        while data := bytes(await stream.receive_some(65536)):
            held += data
            text, found, _ = held.partition(b"\r\n\r\n")
            is_whole = b"chunked" not in text or held.endswith(b"0\r\n\r\n")
            if found and (is_whole or not self.reads_bodies):
                self.asked.append(held.decode("latin-1"))
                held = b""
                assert self.answer is not None
                await self.answer(self)

    async def send(self, data: bytes) -> None:
        assert self.stream is not None
        await self.stream.send_all(data)

    async def say(self, status: int, body: bytes, media_type: str = "application/json") -> None:
        head = f"HTTP/1.1 {status} So\r\ncontent-length: {len(body)}\r\ncontent-type: {media_type}"
        await self.send(head.encode() + b"\r\n\r\n" + body)

    async def fail(self, message: str) -> None:
        await self.say(500, json.dumps({"Message": message, "Code": 0, "Type": "error"}).encode())

    async def stream_out(self, body: bytes, error: str = "") -> None:
        """Answer as Kubo does when it streams: in chunks, with what went wrong behind them."""
        trailer = f"X-Stream-Error: {error}\r\n" if error else ""
        await self.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n"
            b"trailer: X-Stream-Error\r\n\r\n%x\r\n%s\r\n0\r\n%s\r\n"
            % (len(body), body, trailer.encode())
        )


@pytest.fixture
async def pretender() -> AsyncIterator[Pretender]:
    """Something that pretends to be a Kubo; nobody is connected to it in the end."""
    pretender = Pretender()
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, pretender.serve, 0, host="127.0.0.1")
        listeners = await nursery.start(serve)
        pretender.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        yield pretender
        with trio.fail_after(60):
            while pretender.open:
                pretender.left = trio.Event()
                await pretender.left.wait()
        nursery.cancel_scope.cancel()


@pytest.fixture
async def pretended(pretender: Pretender) -> AsyncIterator[Kubo]:
    """It, as ipvm meets it."""
    async with Kubo(pretender.url, limits=Limits(fetch_seconds_max=5)) as kubo:
        yield kubo
