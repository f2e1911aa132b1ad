"""One connection of HTTP/1.1: requests come in, and answers go out, one after the other.

Whoever takes too long to ask is cut off, and so is whoever takes too long for a piece of an answer.
"""

from contextlib import aclosing
from typing import Final, final

import h11
import trio

from ipvm.web.message import Answer, Body, Request, refusal

__all__ = ["Connection", "Gone"]

_HEAD_BYTES_MAX: Final = 16_384
_RECEIVE_BYTES: Final = 65_536
_REQUEST_SECONDS: Final = 30.0
"""How long a connection may be idle, or take to send a request."""
_PIECE_BYTES: Final = 1024 * 1024
_PIECE_SECONDS: Final = 30.0
"""How long so many bytes of an answer may take."""
_DRAIN_SECONDS: Final = 5.0
_DRAINED_BYTES_MAX: Final = 1024 * 1024
_NO_BODY: Final = frozenset({204, 304})


class Gone(Exception):
    """Whoever was at the other end is not any more, or takes too long."""


@final
class Connection:
    """A connection that has been accepted.

    Attributes:
        sent_bytes: Bytes of bodies that were sent.
    """

    def __init__(self, stream: trio.SocketStream, *, body_bytes_max: int) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES_MAX)
        self._body_bytes_max = body_bytes_max
        self.sent_bytes = 0
        try:
            self._client = str(stream.socket.getpeername()[0])
        except OSError:
            self._client = ""

    async def asked(self) -> Request | None:
        """Wait for a request; None where there is no other.

        What is no request is refused.

        Raises:
            Gone: It is too late to answer.
        """
        with trio.move_on_after(_REQUEST_SECONDS):
            try:
                return await self._request()
            except h11.RemoteProtocolError as error:
                status = error.error_status_hint
            await self.refuse(refusal(status, "this is no request, or too large for one"))
        return None

    async def answer(self, request: Request, answer: Answer) -> bool:
        """Send an answer, and tell whether another request may come.

        Raises:
            Gone: It could not be sent as a whole.
        """
        headers = list(answer.headers)
        length = len(answer.body) if isinstance(answer.body, bytes) else answer.length
        if answer.status not in _NO_BODY and length is not None:
            headers.append(("Content-Length", str(length)))
        http = self._http
        await self._send(http.send(h11.Response(status_code=answer.status, headers=headers)))
        if request.method != "HEAD" and answer.status not in _NO_BODY:
            await self._send_body(answer.body, length)
        elif not isinstance(answer.body, bytes):
            await answer.body.aclose()
        await self._send(http.send(h11.EndOfMessage()))
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
            return False
        http.start_next_cycle()
        return True

    async def refuse(self, answer: Answer) -> None:
        """Answer before a request has come as a whole; nothing comes after that.

        Raises:
            Gone: It could not be sent.
        """
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        headers = [*answer.headers, ("Connection", "close")]
        await self._send(self._http.send(h11.Response(status_code=answer.status, headers=headers)))
        await self._send_body(answer.body, None)
        await self._send(self._http.send(h11.EndOfMessage()))
        with trio.move_on_after(_DRAIN_SECONDS):
            await self._drain()

    async def _request(self) -> Request | None:
        head: h11.Request | None = None
        body: list[bytes] = []
        left = self._body_bytes_max
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    await self._send(self._http.send(go_on))
                self._http.receive_data(await self._received())
            elif isinstance(event, h11.Request):
                head = event
                self._require_length(event)
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
                left -= len(event.data)
                if left < 0:
                    raise h11.RemoteProtocolError("too large", error_status_hint=413)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return self._made(head, b"".join(body))
            else:
                return None

    def _require_length(self, head: h11.Request) -> None:
        for name, value in head.headers:
            if name == b"content-length" and int(value) > self._body_bytes_max:
                raise h11.RemoteProtocolError("too large", error_status_hint=413)

    def _made(self, head: h11.Request, body: bytes) -> Request:
        headers: dict[str, str] = {}
        for raw_name, raw_value in head.headers:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        method, target = head.method.decode("latin-1"), head.target.decode("latin-1")
        return Request(method, target, headers, body, self._client, self._gone)

    async def _gone(self) -> None:
        """Return once the other end has closed the connection."""
        socket = self._stream.socket
        try:
            if await socket.recv(1, trio.socket.MSG_PEEK):
                await trio.sleep_forever()  # it has asked for something else meanwhile
        except OSError:
            return

    async def _received(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(_RECEIVE_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Gone from error

    async def _send_body(self, body: Body, length: int | None) -> None:
        if isinstance(body, bytes):
            if body:
                await self._send_piece(body)
            return
        sent = 0
        async with aclosing(body):
            async for piece in body:
                if piece:
                    sent += len(piece)
                    await self._send_piece(piece)
        if length is not None and sent != length:
            raise Gone

    async def _send_piece(self, piece: bytes | memoryview) -> None:
        data = piece if isinstance(piece, bytes) else bytes(piece)
        for passed in self._http.send_with_data_passthrough(h11.Data(data=data)) or ():
            await self._send(passed)
        self.sent_bytes += len(piece)

    async def _send(self, data: bytes | None) -> None:
        view = memoryview(data or b"")
        try:
            while view:
                with trio.fail_after(_PIECE_SECONDS):
                    await self._stream.send_all(view[:_PIECE_BYTES])
                view = view[_PIECE_BYTES:]
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
            raise Gone from error

    async def _drain(self) -> None:
        """Take what is still coming, up to a bound: closed on unread bytes, the answer would be lost."""
        try:
            await self._stream.send_eof()
            left = _DRAINED_BYTES_MAX
            while left > 0 and (piece := await self._stream.receive_some(_RECEIVE_BYTES)):
                left -= len(piece)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
