"""Listen, and answer what comes over each connection, one request after the other.

Nobody holds much: there are so many connections and no more, a head has a size, and whoever takes
too long to ask or to take an answer is cut off. So many answers are in memory at a time, and no more:
who asks meanwhile waits for its turn.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

import h11
import trio

from ipvm.store import Blockstore
from ipvm.web.answering import Answer, answered, refusal

__all__ = ["serve"]

_CONNECTIONS_MAX: Final = 256
_ANSWERS_MAX: Final = 32
"""Answers that are in memory together; each holds a block of up to 4 MiB."""
_REFUSAL_SECONDS: Final = 5.0
_HEAD_BYTES_MAX: Final = 16_384
_RECEIVE_BYTES: Final = 16_384
_REQUEST_SECONDS: Final = 30.0
"""How long a connection may be idle, or take to send a head."""
_ANSWER_SECONDS: Final = 60.0
"""How long an answer may take."""
_NOT_MODIFIED: Final = 304
_DRAINED_BYTES_MAX: Final = 1024 * 1024


async def serve(
    store: Blockstore,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the blocks of a store over HTTP until cancelled; nothing is fetched for anyone.

    Args:
        store: Where blocks are.
        host: The address to listen at.
        port: The port; 0 for any that is free.
        task_status: Is given the address and port, once it listens.

    Raises:
        OSError: It cannot listen there.
    """
    listeners = await trio.open_tcp_listeners(port, host=host)
    address = listeners[0].socket.getsockname()
    places, answers = trio.CapacityLimiter(_CONNECTIONS_MAX), trio.CapacityLimiter(_ANSWERS_MAX)
    async with trio.open_nursery() as nursery:
        handler: Callable[[trio.SocketStream], Awaitable[None]] = partial(
            _visit, store, places, answers
        )
        await nursery.start(trio.serve_listeners, handler, listeners)
        task_status.started((str(address[0]), int(address[1])))


async def _visit(
    store: Blockstore,
    places: trio.CapacityLimiter,
    answers: trio.CapacityLimiter,
    stream: trio.SocketStream,
) -> None:
    async with stream:
        try:
            places.acquire_nowait()
        except trio.WouldBlock:
            with trio.move_on_after(_REFUSAL_SECONDS), suppress(trio.BrokenResourceError):
                await _send(h11.Connection(h11.SERVER), stream, refusal(503, "too many are served"))
                await _drain(stream)
            return
        try:
            await _converse(store, answers, stream)
        except (h11.LocalProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            places.release()


async def _converse(
    store: Blockstore, answers: trio.CapacityLimiter, stream: trio.SocketStream
) -> None:
    http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES_MAX)
    keeps = True
    while keeps:
        request: h11.Request | None = None
        with trio.move_on_after(_REQUEST_SECONDS):
            try:
                request = await _asked(http, stream)
            except h11.RemoteProtocolError as error:
                await _send(http, stream, refusal(error.error_status_hint, "this is no request"))
                await _drain(stream)
                return
        if request is None:
            return
        keeps = False
        with trio.move_on_after(_ANSWER_SECONDS):
            async with answers:
                answer = await _answer(store, request)
                await _send(http, stream, answer, has_body=request.method != b"HEAD")
                del answer
            keeps = http.our_state is h11.DONE and http.their_state is h11.DONE
            if keeps:
                http.start_next_cycle()


async def _asked(http: h11.Connection, stream: trio.SocketStream) -> h11.Request | None:
    request: h11.Request | None = None
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some(_RECEIVE_BYTES)))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.EndOfMessage):
            return request
        elif isinstance(event, h11.Data):
            raise h11.RemoteProtocolError("a request has no body here", error_status_hint=413)
        else:
            return None


async def _answer(store: Blockstore, request: h11.Request) -> Answer:
    known = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    target = request.target.decode("latin-1")
    return await answered(store, request.method.decode("latin-1"), target, known)


async def _send(
    http: h11.Connection, stream: trio.SocketStream, answer: Answer, *, has_body: bool = True
) -> None:
    headers = list(answer.headers)
    if answer.status != _NOT_MODIFIED:
        headers.append(("Content-Length", str(len(answer.body))))
    head = http.send(h11.Response(status_code=answer.status, headers=headers)) or b""
    await stream.send_all(head)
    if has_body and answer.body:
        await stream.send_all(http.send(h11.Data(data=answer.body)) or b"")
    http.send(h11.EndOfMessage())  # a body with a length has no end of its own


async def _drain(stream: trio.SocketStream) -> None:
    """Take what is still coming, up to a bound: closed on unread bytes, the answer would be lost."""
    await stream.send_eof()
    left = _DRAINED_BYTES_MAX
    while left > 0 and (piece := await stream.receive_some(_RECEIVE_BYTES)):
        left -= len(piece)
