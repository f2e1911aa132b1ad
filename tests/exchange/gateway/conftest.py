"""A gateway on the loopback interface that does what a test wants, and counts who is connected."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

import pytest
import trio
from trio.testing import MockClock

from ipvm.exchange.gateway import Gateway
from ipvm.ipld import Block, Cid
from ipvm.limits import Limits
from ipvm.store.car import car_header, car_section

Answer: TypeAlias = Callable[["Request"], Awaitable[None]]
RAW: Final = "application/vnd.ipld.raw"
CAR: Final = "application/vnd.ipld.car"


@dataclass
class Request:
    """A request, and where its answer goes."""

    server: "Server"
    stream: trio.abc.Stream
    target: str
    headers: Mapping[str, str]
    number: int
    """Of this connection, from 0."""

    @property
    def cid(self) -> Cid:
        return Cid.parse(re.split(r"[/?]", self.target.partition("/ipfs/")[2])[0])

    @property
    def is_for_a_car(self) -> bool:
        return "format=car" in self.target

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)
        self.server.sent_bytes += len(data)

    async def hang_up(self) -> None:
        """End the connection in the middle of what was sent."""
        await self.stream.aclose()

    async def until_the_client_hangs_up(self) -> None:
        while await self.stream.receive_some(65536):
            pass

    async def answer(
        self, body: bytes, *, status: int = 200, media_type: str = RAW, **headers: str
    ) -> None:
        """Send a whole answer."""
        told = {"content-length": str(len(body)), "content-type": media_type, **headers}
        await self.send(head(status, **told) + body)


def head(status: int = 200, **headers: str) -> bytes:
    """The head of an answer; `_` stands for `-`."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    return f"HTTP/1.1 {status} So\r\n{''.join(lines)}\r\n".encode()


@dataclass
class Server:
    """A gateway over some blocks.

    Attributes:
        blocks: What it has.
        faults: What it does instead of answering, as long as there is something; then it answers.
        always: What it does instead of answering, always.
        asked: The targets of all requests.
        open: How many connections are open.
        connections: How many there were.
        sent_bytes: Bytes that went out.
        left: Set when somebody is not connected any more.
    """

    url: str = ""
    blocks: dict[Cid, Block] = field(default_factory=dict)
    faults: list[Answer] = field(default_factory=list)
    always: Answer | None = None
    serves_cars: bool = True
    asked: list[str] = field(default_factory=list)
    open: int = 0
    connections: int = 0
    sent_bytes: int = 0
    left: trio.Event = field(default_factory=trio.Event)

    def keep(self, *blocks: Block) -> None:
        self.blocks.update((block.cid, block) for block in blocks)

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.open += 1
        self.connections += 1
        try:
            await self._converse(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.open -= 1
            self.left.set()
            await trio.aclose_forcefully(stream)

    async def until_nobody_is_connected(self) -> None:
        while self.open:
            self.left = trio.Event()
            with trio.fail_after(60):
                await self.left.wait()

    async def _converse(self, stream: trio.abc.Stream) -> None:
        held, number = b"", 0
        while True:
            while b"\r\n\r\n" not in held:
                data = await stream.receive_some(65536)
                if not data:
                    return
                held += bytes(data)
            text, _, held = held.partition(b"\r\n\r\n")
            first, *lines = text.decode().split("\r\n")
            headers = {each.partition(": ")[0].lower(): each.partition(": ")[2] for each in lines}
            request = Request(self, stream, first.split()[1], headers, number)
            self.asked.append(request.target)
            fault = self.faults.pop(0) if self.faults else self.always
            await (fault or self.answer)(request)
            number += 1

    async def answer(self, request: Request) -> None:
        """Answer as a good gateway does."""
        if request.cid not in self.blocks:
            await request.answer(b"not here", status=404, media_type="text/plain")
        elif not request.is_for_a_car:
            await request.answer(self.blocks[request.cid].data)
        elif self.serves_cars:
            sections = self.sections(request.cid)
            await request.answer(car_header([request.cid]) + b"".join(sections), media_type=CAR)
        else:
            await request.answer(b"no CARs", status=406, media_type="text/plain")

    def sections(self, root: Cid) -> list[bytes]:
        """The sections of the CAR of a root, in their order."""
        order: dict[Cid, Block] = {}
        ahead = [root]
        while ahead:
            cid = ahead.pop()
            if cid in self.blocks and cid not in order:
                order[cid] = self.blocks[cid]
                ahead.extend(reversed(self.blocks[cid].links()))
        return [car_section(block) for block in order.values()]


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    """Let it serve, and see to it that nobody is connected in the end."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        server.url = f"http://127.0.0.1:{port}"
        yield server
        await server.until_nobody_is_connected()
        nursery.cancel_scope.cancel()


Serving: TypeAlias = Callable[[], AbstractAsyncContextManager[Server]]


@pytest.fixture(scope="session", name="serving")
def serving_fixture() -> Serving:
    """Start a gateway, as a context."""
    return lambda: serving(Server())


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A gateway."""
    async with serving(Server()) as server:
        yield server


@pytest.fixture
async def other() -> AsyncIterator[Server]:
    """Another gateway."""
    async with serving(Server()) as server:
        yield server


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps ahead when nothing happens; a test gets it by naming it."""
    return MockClock(autojump_threshold=0.05)


@pytest.fixture
def limits() -> Limits:
    """Short times, so that tests are short."""
    return Limits(fetch_seconds_max=5, gateway_connections_max=8)


@pytest.fixture
async def gateway(server: Server, limits: Limits) -> AsyncIterator[Gateway]:
    """A client of the gateway."""
    async with Gateway(server.url, limits=limits) as gateway:
        yield gateway
