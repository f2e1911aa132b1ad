"""A server on a real socket, and a client that believes nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import NamedTuple

import h11
import pytest
import trio

from ipvm.exchange import BlockService
from ipvm.store import Blockstore
from ipvm.web import Handler, gateway, serve

_Ask = Callable[..., Awaitable["Got"]]


class Got(NamedTuple):
    """An answer, its headers by name in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True


@pytest.fixture
def serving() -> Callable[..., AbstractAsyncContextManager[_Ask]]:
    """Serve a store, or whatever a handler answers, and give what asks it."""

    @asynccontextmanager
    async def serving(served: Blockstore | Handler) -> AsyncIterator[_Ask]:
        handler = served if callable(served) else gateway(BlockService(served))
        async with trio.open_nursery() as nursery:
            address = await nursery.start(partial(serve, handler))
            yield partial(_ask, address)
            nursery.cancel_scope.cancel()

    return serving


async def _ask(
    address: tuple[str, int],
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Got:
    http = h11.Connection(h11.CLIENT)
    sent = {"Host": "x", "Connection": "close", **(headers or {})}
    if body:
        sent["Content-Length"] = str(len(body))
    request = h11.Request(method=method, target=target, headers=list(sent.items()))
    with trio.fail_after(30):
        async with await trio.open_tcp_stream(*address) as stream:
            await stream.send_all(http.send(request) or b"")
            if body:
                await stream.send_all(http.send(h11.Data(data=body)) or b"")
            http.send(h11.EndOfMessage())
            return await _answer(http, stream)


async def _answer(http: h11.Connection, stream: trio.SocketStream) -> Got:
    status, headers, data, is_whole = 0, {}, bytearray(), False
    while not is_whole:
        try:
            event = http.next_event()
        except h11.RemoteProtocolError:
            break
        if event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some(65_536)))
        elif isinstance(event, h11.Response):
            status = event.status_code
            headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
        elif isinstance(event, h11.Data):
            data += event.data
        else:
            is_whole = isinstance(event, h11.EndOfMessage)
    return Got(status, headers, bytes(data), is_whole)
