"""Speak HTTP/1.1 over one connection: h11 in its client role, on a stream of trio.

Heads, chunks and bodies without a length go through h11. A body whose length is told is read past it,
in pieces as large as the system has them: nothing is left to parse there, and it saves a copy.

How much of a body is taken is for its reader to say. What h11 holds of a head or a chunk is bounded.
"""

import select
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Final, TypeAlias, final

import h11
import trio

from ipvm.errors import Unavailable
from ipvm.exchange.gateway.address import Origin

__all__ = ["BrokenConnection", "Connection", "Response", "StaleConnection", "Stream"]

Stream: TypeAlias = trio.SocketStream | trio.SSLStream[trio.SocketStream]

_HEAD_BYTES_MAX: Final = 65_536
_PARSED_BYTES: Final = 65_536
_RECEIVE_BYTES: Final = 1024 * 1024
_INTERIM_MAX: Final = 8
"""Answers of status 1xx before the one that counts."""
_WITHOUT_BODY: Final = frozenset({204, 304})


class BrokenConnection(Unavailable):
    """A connection ended before its time, or what came was no HTTP."""


class StaleConnection(BrokenConnection):
    """A connection was closed after its last answer, so that another one may have better luck."""


@final
class Response:
    """The head of an answer.

    Attributes:
        status: A number.
        headers: By name, in small letters.
        length: Bytes of the body, if it was told and can be relied on.
    """

    def __init__(self, event: h11.Response) -> None:
        self.status = event.status_code
        self.headers = _by_name(event.headers)
        self.length: int | None = None
        has_body = self.status not in _WITHOUT_BODY and "transfer-encoding" not in self.headers
        if has_body and "content-length" in self.headers:
            self.length = int(self.headers["content-length"])  # h11 has looked at it
        closes = "close" in self.headers.get("connection", "").lower()
        self.keeps_connection = event.http_version == b"1.1" and not closes

    @property
    def media_type(self) -> str:
        """What the body is said to be, without parameters; empty if nothing is said."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@final
class Connection:
    """A connection that asks for one thing after the other.

    Args:
        stream: To whom.
        origin: Who that is.

    Attributes:
        origin: Who is at the other end.
        is_idle: Whether the last answer was read to its end, so that more may be asked for.
        trailers: What was told behind the last body, by name, in small letters.
    """

    def __init__(self, stream: Stream, origin: Origin) -> None:
        self.origin = origin
        self.is_idle = True
        self.trailers: Mapping[str, str] = {}
        self._stream = stream
        transport = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
        self._socket = transport.socket
        self._http = _new_http()
        self._was_used = False

    def close(self) -> None:
        """Close it at once, without a word to the other end, whatever is under way."""
        self.is_idle = False
        self._socket.close()

    def is_alive(self) -> bool:
        """Whether nothing came that nobody asked for, as the end of the connection would be."""
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        return not poll.poll(0)

    async def get(self, target: str, *, accept: str) -> Response:
        """Ask for something, and give the head of the answer. Read `body` next, or close.

        Raises:
            StaleConnection: It was closed meanwhile; nothing was answered.
            BrokenConnection: It ended, or what came is no HTTP.
        """
        head = self._request("GET", target, ("Accept", accept))
        return await self._answer(head + self._framed(h11.EndOfMessage()))

    async def post(self, target: str) -> Response:
        """Have something done that is told by the target alone; see `get`."""
        head = self._request("POST", target, ("Content-Length", "0"))
        return await self._answer(head + self._framed(h11.EndOfMessage()))

    async def begin_post(self, target: str, *, media_type: str) -> None:
        """Begin to send something; `send` its pieces, and `end_post`.

        Raises:
            BrokenConnection: It ended.
        """
        headers = (("Content-Type", media_type), ("Transfer-Encoding", "chunked"))
        await self._send(self._request("POST", target, *headers))

    async def send(self, data: bytes) -> None:
        """Send a piece.

        Raises:
            BrokenConnection: It ended. There may be an answer, which `answered` gives.
        """
        await self._send(self._framed(h11.Data(data=data)))

    async def end_post(self) -> Response:
        """Give the head of the answer to all that was sent; see `get`."""
        return await self._answer(self._framed(h11.EndOfMessage()))

    async def answered(self) -> Response:
        """Give the head of an answer that came before all was sent; see `get`."""
        response = await self._answer(b"")
        response.keeps_connection = False
        return response

    def _request(self, method: str, target: str, *headers: tuple[str, str]) -> bytes:
        self.is_idle = False
        self.trailers = {}
        always = [
            ("Host", self.origin.authority),
            ("Accept-Encoding", "identity"),
            ("User-Agent", "ipvm"),
        ]
        return self._framed(h11.Request(method=method, target=target, headers=[*always, *headers]))

    def _framed(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> bytes:
        return self._http.send(event) or b""

    async def _send(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise self._unanswered() from error

    async def _answer(self, data: bytes) -> Response:
        await self._send(data)
        try:
            first = await self._receive(_PARSED_BYTES)
        except BrokenConnection as error:
            raise self._unanswered() from error
        if not first:
            raise self._unanswered()
        self._was_used = True
        self._http.receive_data(first)
        return await self._head()

    async def body(self, response: Response) -> AsyncGenerator[bytes, None]:
        """Give the body of the answer in pieces.

        Raises:
            BrokenConnection: It is cut off, or no HTTP.
        """
        if response.length is None:
            async with aclosing(self._parsed_body()) as pieces:
                async for piece in pieces:
                    yield piece
            return
        held = self._http.trailing_data[0]
        left = response.length - len(held)
        if held:
            yield held[: response.length]
        while left > 0:
            piece = await self._receive(min(left, _RECEIVE_BYTES))
            if not piece:
                raise BrokenConnection(f"{self.origin} cut its answer off {left} bytes too early")
            left -= len(piece)
            yield piece
        if left == 0 and response.keeps_connection:
            self._http = _new_http()  # the other one still waits for this body
            self.is_idle = True

    async def _parsed_body(self) -> AsyncGenerator[bytes, None]:
        while isinstance(event := await self._event(), h11.Data):
            yield bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            self.trailers = _by_name(event.headers)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self.is_idle = True

    async def _head(self) -> Response:
        for _ in range(_INTERIM_MAX):
            event = await self._event()
            if isinstance(event, h11.Response):
                return Response(event)
            if not isinstance(event, h11.InformationalResponse):
                break
        raise BrokenConnection(f"{self.origin} does not answer what it was asked")

    async def _event(self) -> object:
        while True:
            try:
                event = self._http.next_event()
                if event is not h11.NEED_DATA:
                    return event
                self._http.receive_data(await self._receive(_PARSED_BYTES))
            except h11.RemoteProtocolError as error:
                raise BrokenConnection(f"{self.origin} speaks no HTTP, or broke off") from error

    async def _receive(self, size: int) -> bytes:
        try:
            return bytes(await self._stream.receive_some(size))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise BrokenConnection(f"the connection to {self.origin} broke") from error

    def _unanswered(self) -> BrokenConnection:
        kind = StaleConnection if self._was_used else BrokenConnection
        return kind(f"{self.origin} closed the connection without an answer")


def _by_name(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


def _new_http() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES_MAX)
