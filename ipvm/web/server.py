"""Listen, and let a handler answer what comes over each connection, one request after the other.

Nobody holds much: there are so many connections and no more, a request has a size, and whoever takes
too long to ask or to take an answer is cut off. When all places are taken, whoever has been silent for
longest makes room. So many large answers are in memory at a time, and no more: who asks meanwhile
waits for its turn, and is answered anew then. Small ones never wait, so that a health check is
answered whatever else goes on.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, final

import h11
import trio

from ipvm.errors import IpvmError
from ipvm.web.connection import Connection, Gone
from ipvm.web.message import Answer, Handler, OnAnswered, Request, refusal

__all__ = ["serve"]

_LOG: Final = logging.getLogger(__name__)
_CONNECTIONS_MAX: Final = 256
_REFUSALS_MAX: Final = 64
_ANSWERS_MAX: Final = 64
"""Large answers that are in memory together; each holds a block of up to 4 MiB, or a few of a file."""
_SMALL_BYTES: Final = 65_536
_BUSY: Final = refusal(503, "too many are served", ("Retry-After", "1"))


async def serve(  # noqa: PLR0913 - settings, each with its name
    handler: Handler,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    body_bytes_max: Callable[[Request], int] = lambda _: 0,
    on_answered: OnAnswered = lambda *_: None,
    closing: trio.Event | None = None,
    task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve over HTTP, until cancelled, or until all are answered after `closing`.

    Args:
        handler: Answers requests. What it raises is answered with 500, and logged.
        host: The address to listen at.
        port: The port; 0 for any that is free.
        body_bytes_max: Says what a request may bring, when its head is there and its body is not.
        on_answered: Is told what was answered.
        closing: Once set, nobody is accepted any more, and nobody waited for; who has asked is
            answered, and then this returns.
        task_status: Is given the address and port, once it listens.

    Raises:
        OSError: It cannot listen there.
    """
    server = _Server(handler, body_bytes_max, on_answered)
    listeners = await trio.open_tcp_listeners(port, host=host)
    address = listeners[0].socket.getsockname()
    async with trio.open_nursery() as visits, trio.open_nursery() as listening:
        accept = partial(trio.serve_listeners, server.visit, listeners, handler_nursery=visits)
        await listening.start(accept)
        task_status.started((str(address[0]), int(address[1])))
        await (trio.Event() if closing is None else closing).wait()
        listening.cancel_scope.cancel()
        server.close()


@final
class _Server:
    """Who is connected, and what they may hold."""

    def __init__(
        self,
        handler: Handler,
        body_bytes_max: Callable[[Request], int],
        on_answered: OnAnswered,
    ) -> None:
        self._handler = handler
        self._body_bytes_max = body_bytes_max
        self._on_answered = on_answered
        self._places = trio.CapacityLimiter(_CONNECTIONS_MAX)
        self._refusals = trio.CapacityLimiter(_REFUSALS_MAX)
        self._answers = trio.CapacityLimiter(_ANSWERS_MAX)
        self._idle: dict[trio.CancelScope, None] = {}
        self._is_closing = False

    def close(self) -> None:
        """Wait for no more requests."""
        self._is_closing = True
        for scope in self._idle:
            scope.cancel()

    async def visit(self, stream: trio.SocketStream) -> None:
        """Converse over a connection to its end."""
        async with stream:
            connection = Connection(stream, body_bytes_max=self._body_bytes_max)
            # Whoever breaks the rules in the middle of an answer is as good as gone.
            with suppress(Gone, h11.LocalProtocolError):
                if not await self._has_place():
                    await self._refuse(connection)
                    return
                try:
                    await self._converse(connection)
                finally:
                    self._places.release()

    async def _refuse(self, connection: Connection) -> None:
        """Say that all places are taken; to too many at once, say nothing."""
        try:
            self._refusals.acquire_nowait()
        except trio.WouldBlock:
            return
        try:
            await connection.refuse(_BUSY)
        finally:
            self._refusals.release()

    async def _has_place(self) -> bool:
        """Take a place, that of who has been silent for longest if there is no other."""
        try:
            self._places.acquire_nowait()
        except trio.WouldBlock:
            silent = next(iter(self._idle), None)
            if silent is None:
                return False
            del self._idle[silent]
            silent.cancel()
            await self._places.acquire()
        return True

    async def _converse(self, connection: Connection) -> None:
        keeps = True
        while keeps and not self._is_closing:
            with trio.CancelScope() as idle:
                self._idle[idle] = None
                try:
                    request = await connection.asked()
                finally:
                    self._idle.pop(idle, None)
            if idle.cancelled_caught or request is None:
                return
            keeps = await self._answered(connection, request)

    async def _answered(self, connection: Connection, request: Request) -> bool:
        began, before = trio.current_time(), connection.sent_bytes
        status = 0
        try:
            answer = await self._asked(request)
            status = answer.status
            if request.method == "HEAD" or _is_small(answer):
                return await connection.answer(request, answer)
            waits = request.method == "GET" and not self._answers.available_tokens
            if waits:
                await _let_go(answer)
                answer = _BUSY  # which holds nothing
            async with self._answers:
                if waits:
                    answer = await self._asked(request)
                    status = answer.status
                return await connection.answer(request, answer)
        except IpvmError as error:  # the connection ends before the answer does, and that shows
            _LOG.warning("an answer ends early: %s", error)
            raise Gone from error
        except Gone:
            raise
        except Exception as error:
            _LOG.exception("an answer has failed midway")
            raise Gone from error
        finally:
            sent = connection.sent_bytes - before
            self._on_answered(request, status, sent, trio.current_time() - began)

    async def _asked(self, request: Request) -> Answer:
        try:
            return await self._handler(request)
        except Exception:  # noqa: BLE001 - a fault here must not end the others
            _LOG.exception("an answer has failed")
            return refusal(500, "something is wrong here")


def _is_small(answer: Answer) -> bool:
    length = len(answer.body) if isinstance(answer.body, bytes) else answer.length
    return length is not None and length <= _SMALL_BYTES


async def _let_go(answer: Answer) -> None:
    if not isinstance(answer.body, bytes):
        await answer.body.aclose()
