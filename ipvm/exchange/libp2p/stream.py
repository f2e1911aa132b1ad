"""A stream of libp2p, as Bitswap wants one.

One that is not closed stays in memory as long as its connection.
"""

import logging
from typing import Final, final

import trio
from libp2p.abc import INetStream
from libp2p.network.stream.exceptions import StreamEOF

from ipvm.exchange.bitswap import PeersUnavailable

__all__ = ["CLOSE_SECONDS", "Libp2pStream"]

CLOSE_SECONDS: Final = 2.0
"""Seconds that anything may take to be closed."""

_LOG: Final = logging.getLogger(__name__)
_READ_BYTES: Final = 256 * 1024


@final
class Libp2pStream:
    """One stream. What the library raises is PeersUnavailable here."""

    def __init__(self, stream: INetStream) -> None:
        self._stream = stream
        self._ended = False
        self.protocol = str(stream.get_protocol())

    async def receive(self) -> bytes:
        """Wait for bytes, and return some; none when no more will come."""
        try:
            data = bytes(await self._stream.read(_READ_BYTES))
        except StreamEOF:
            data = b""
        except Exception as error:
            raise PeersUnavailable(f"a peer cut a stream: {error}") from error
        self._ended = not data
        return data

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        try:
            await self._stream.write(data)
        except Exception as error:
            raise PeersUnavailable(f"a peer takes nothing more: {error}") from error

    async def close(self) -> None:
        """Let go of it, both ways."""
        # After the peer's end, ours closes it for both; before, only a reset frees what it takes.
        end = self._stream.close if self._ended else self._stream.reset
        with trio.CancelScope(shield=True), trio.move_on_after(CLOSE_SECONDS):
            try:
                await end()
            except Exception as error:  # noqa: BLE001 - the connection may be gone, and with it the stream
                _LOG.debug("closing a stream: %s", error)
