"""One connection of HTTP/1.1: requests come in, and answers go out, one after the other.

h11 reads the requests. Answers are written here: their head and their body leave together, and no
byte of a body is copied on the way. Whoever takes too long to ask is cut off, and so is whoever takes
too long for a piece of an answer.
"""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from email.utils import formatdate
from http import HTTPStatus
from socket import SO_LINGER, SOL_SOCKET
from typing import Final, TypeAlias, final

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
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_AT_ONCE: Final = struct.pack("ii", 1, 0)
_PHRASES: Final = {each.value: each.phrase for each in HTTPStatus}
_ABSOLUTE: Final = re.compile("https?://[^/?]*", re.IGNORECASE)
"""What some put before a path, which is the same path then."""
_UNSAFE: Final = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_BROKEN: Final = (trio.BrokenResourceError, trio.ClosedResourceError)
_Piece: TypeAlias = bytes | memoryview


class Gone(Exception):
    """Whoever was at the other end is not any more, or takes too long."""


@final
class Connection:
    """A connection that has been accepted.

    Attributes:
        sent_bytes: Bytes of bodies that were sent.
    """

    def __init__(
        self, stream: trio.SocketStream, *, body_bytes_max: Callable[[Request], int]
    ) -> None:
        self._stream = stream
        self._body_bytes_max = body_bytes_max
        self._http = _new_http()
        self._knows_chunks = self._keeps = False
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
        body = answer.body
        if request.method == "HEAD" or answer.status in _NO_BODY:
            if not isinstance(body, bytes):
                await body.aclose()
            await self._send(self._head(answer))
        elif isinstance(body, bytes):
            await self._send(self._head(answer), body)
            self.sent_bytes += len(body)
        else:
            async with aclosing(body):
                await self._send(self._head(answer))
                await self._send_pieces(body, answer.length)
        return self._keeps

    async def refuse(self, answer: Answer) -> None:
        """Answer before a request has come as a whole; nothing comes after that.

        Raises:
            Gone: It could not be sent.
        """
        self._keeps = False
        assert isinstance(answer.body, bytes)
        await self._send(self._head(answer), answer.body)
        with trio.move_on_after(_DRAIN_SECONDS):
            await self._drain()

    async def _request(self) -> Request | None:
        asked: Request | None = None
        body, bytes_max = bytearray(), 0
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self._send(_CONTINUE)
                    self._http.send(h11.InformationalResponse(status_code=100, headers=[]))
                self._http.receive_data(await self._received())
            elif isinstance(event, h11.Request):
                asked = self._made(event)
                bytes_max = self._body_bytes_max(asked)
                _require_at_most(bytes_max, int(asked.headers.get("content-length", "0")))
            elif isinstance(event, h11.Data):
                body += event.data
                _require_at_most(bytes_max, len(body))
            elif isinstance(event, h11.EndOfMessage) and asked is not None:
                self._await_next(asked)
                return asked._replace(body=bytes(body))
            else:
                return None

    def _made(self, head: h11.Request) -> Request:
        """Make a request of a head; the body is still to come."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in head.headers:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        method, target = head.method.decode("latin-1"), head.target.decode("latin-1")
        if not target.startswith("/"):
            target = _ABSOLUTE.sub("", target)
        return Request(method, target, headers, b"", self._client, self._gone)

    def _await_next(self, asked: Request) -> None:
        """Decide how an answer travels, and be ready for what is asked after it."""
        self._knows_chunks = self._http.their_http_version == b"1.1"
        options = asked.headers.get("connection", "").lower()
        self._keeps = self._knows_chunks and "close" not in options
        waiting, _ = self._http.trailing_data
        self._http = _new_http()
        if waiting:  # what was asked for without waiting for this answer
            self._http.receive_data(waiting)

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
        except _BROKEN as error:
            raise Gone from error

    def _head(self, answer: Answer) -> bytes:
        """Write the head of an answer; what cannot stand in a header is left out."""
        lines = [f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, '')}"]
        lines += [f"{name}: {_UNSAFE.sub('', value)}" for name, value in answer.headers]
        lines.append(f"Date: {formatdate(usegmt=True)}")
        length = len(answer.body) if isinstance(answer.body, bytes) else answer.length
        if answer.status not in _NO_BODY:
            if length is not None:
                lines.append(f"Content-Length: {length}")
            elif self._knows_chunks:
                lines.append("Transfer-Encoding: chunked")
            else:
                self._keeps = False
        if not self._keeps:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    async def _send_pieces(self, body: Body, length: int | None) -> None:
        assert not isinstance(body, bytes)
        is_chunked = length is None and self._knows_chunks
        is_whole, sent = False, 0
        try:
            async for piece in body:
                if piece:
                    size = len(piece)
                    await self._send(*_chunk(piece) if is_chunked else (piece,))
                    sent += size
                    self.sent_bytes += size
            is_whole = length is None or sent == length
        finally:
            if not is_whole and length is None and not is_chunked:
                self._hang_up()
        if not is_whole:
            raise Gone
        if is_chunked:
            await self._send(_LAST_CHUNK)

    def _hang_up(self) -> None:
        """Have the connection end with an error: where no length was told, an end looks like all."""
        with suppress(OSError):
            self._stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, _AT_ONCE)

    async def _send(self, *parts: _Piece) -> None:
        try:
            for some in _divided(parts):
                with trio.fail_after(_PIECE_SECONDS):
                    await self._send_together(some)
        except (OSError, *_BROKEN, trio.TooSlowError) as error:
            raise Gone from error

    async def _send_together(self, parts: Sequence[_Piece]) -> None:
        socket = self._stream.socket
        sent = await socket.sendmsg(parts)
        for part in parts:
            if sent < len(part):
                await self._stream.send_all(memoryview(part)[sent:])
            sent = max(sent - len(part), 0)

    async def _drain(self) -> None:
        """Take what is still coming, up to a bound: closed on unread bytes, the answer would be lost."""
        try:
            await self._stream.send_eof()
            left = _DRAINED_BYTES_MAX
            while left > 0 and (piece := await self._stream.receive_some(_RECEIVE_BYTES)):
                left -= len(piece)
        except _BROKEN:
            return


def _require_at_most(bytes_max: int, size: int) -> None:
    if size > bytes_max:
        raise h11.RemoteProtocolError("too large", error_status_hint=413)


def _new_http() -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES_MAX)


def _chunk(piece: _Piece) -> tuple[bytes, _Piece, bytes]:
    return b"%x\r\n" % len(piece), piece, b"\r\n"


def _divided(parts: Sequence[_Piece]) -> Iterator[Sequence[_Piece]]:
    """Give parts as they are if they are not large, and else cut."""
    if sum(map(len, parts)) <= _PIECE_BYTES:
        yield parts
        return
    for part in parts:
        for start in range(0, len(part), _PIECE_BYTES):
            yield (memoryview(part)[start : start + _PIECE_BYTES],)
