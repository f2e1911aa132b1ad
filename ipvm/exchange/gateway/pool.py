"""Keep connections open for the next question, a bounded number of them.

There are no tasks behind it. A connection whose answer was not read to its end is closed, and so is
one that the other end has closed meanwhile, or that was idle for long.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, final

import trio

from ipvm.errors import Unavailable
from ipvm.exchange.gateway.address import Origin
from ipvm.exchange.gateway.connection import Connection, Stream

__all__ = ["Pool"]

_DIAL_SECONDS_MAX: Final = 10
_IDLE_SECONDS_MAX: Final = 30


@final
class Pool:
    """Connections to the hosts of one gateway.

    Args:
        connections_max: How many there may be at once, idle ones included.
        tls: Whom to believe that they are who they say; else what the system believes.
    """

    def __init__(self, *, connections_max: int, tls: ssl.SSLContext | None = None) -> None:
        self._slots = trio.Semaphore(connections_max)
        self._connections_max = connections_max
        self._idle: list[tuple[float, Connection]] = []
        """With the time since when, the longest first."""
        self._tls = tls
        self._is_closed = False

    @asynccontextmanager
    async def connection(self, origin: Origin, *, fresh: bool) -> AsyncIterator[Connection]:
        """Give a connection to somebody, and take it back.

        Args:
            origin: To whom.
            fresh: Make one, even if there are others.

        Raises:
            Unavailable: There is none to be had.
        """
        async with self._slots:
            connection = None if fresh else self._idle_one(origin)
            if connection is None:
                self._make_room()
                connection = await self._dial(origin)
            try:
                yield connection
            finally:
                if connection.is_idle and not self._is_closed:
                    self._idle.append((trio.current_time(), connection))
                else:
                    connection.close()

    def close(self) -> None:
        """Close all that are idle, and those that are not as soon as they are."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _idle_one(self, origin: Origin) -> Connection | None:
        """Give the connection that was used last, of those that are of use."""
        kept, found = [], None
        oldest = trio.current_time() - _IDLE_SECONDS_MAX
        spoiled = []
        for since, each in reversed(self._idle):
            if found is None and each.origin == origin and since >= oldest and each.is_alive():
                found = each
            elif since < oldest or (found is None and each.origin == origin):
                spoiled.append(each)
            else:
                kept.append((since, each))
        self._idle = kept[::-1]
        for each in spoiled:
            each.close()
        return found

    def _make_room(self) -> None:
        """Let go of idle connections, so that with those in use there are not too many."""
        in_use = self._connections_max - self._slots.value
        while self._idle and len(self._idle) + in_use > self._connections_max:
            _, oldest = self._idle.pop(0)
            oldest.close()

    async def _dial(self, origin: Origin) -> Connection:
        with trio.move_on_after(_DIAL_SECONDS_MAX):
            try:
                transport = await trio.open_tcp_stream(origin.host, origin.port)
            except (OSError, UnicodeError) as error:
                raise Unavailable(f"{origin} cannot be reached: {_reason(error)}") from error
            return Connection(await self._secured(transport, origin), origin)
        raise Unavailable(f"{origin} cannot be reached within {_DIAL_SECONDS_MAX} s")

    async def _secured(self, transport: trio.SocketStream, origin: Origin) -> Stream:
        if origin.scheme != "https":
            return transport
        if self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            stream = trio.SSLStream(
                transport, self._tls, server_hostname=origin.host, https_compatible=True
            )
            await stream.do_handshake()
        except BaseException as error:
            transport.socket.close()
            if isinstance(error, trio.BrokenResourceError | ValueError):
                reason = error.__cause__ or error
                raise Unavailable(f"{origin} cannot prove who it is: {reason}") from error
            raise
        return stream


def _reason(error: Exception) -> str:
    """Say in a few words why a connection was not made."""
    causes = error.__cause__
    inner = causes.exceptions[0] if isinstance(causes, BaseExceptionGroup) else error
    text = (inner.strerror if isinstance(inner, OSError) else None) or str(inner)
    return text.rpartition(": ")[2]  # trio puts the address before it
