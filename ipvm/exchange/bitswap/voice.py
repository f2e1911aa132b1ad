"""Speak to one peer, over one stream of ours that is opened when there is something to say."""

from collections.abc import Awaitable, Callable
from typing import Final, final

import trio

from ipvm.errors import Unavailable
from ipvm.exchange.bitswap.message import Message, write_message
from ipvm.exchange.bitswap.network import PROTOCOL_WITHOUT_ANSWERS, Network, Stream

__all__ = ["Voice"]

_MESSAGE_SECONDS: Final = 60.0
"""Seconds that a message may take to be sent."""


@final
class Voice:
    """Our stream to one peer.

    Args:
        network: Where the peer is.
        peer: Its name.
        listen: Reads what comes back over our own stream, where some peers answer.
        nursery: Where that is done.
    """

    def __init__(
        self,
        network: Network,
        peer: str,
        listen: Callable[[Stream], Awaitable[None]],
        nursery: trio.Nursery,
    ) -> None:
        self._network = network
        self._peer = peer
        self._listen = listen
        self._nursery = nursery
        self._stream: Stream | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the peer cannot say what it has and has not."""
        return self._stream is not None and self._stream.protocol == PROTOCOL_WITHOUT_ANSWERS

    async def open(self) -> None:
        """Open the stream, unless it is open.

        Raises:
            Unavailable: The peer does not speak Bitswap, or is gone.
        """
        if self._stream is None:
            stream = self._stream = await self._network.open_stream(self._peer)
            self._nursery.start_soon(self._listen, stream)

    async def say(self, message: Message) -> None:
        """Send a message; when the stream has failed, once more over another.

        Raises:
            Unavailable: That failed, too.
        """
        content = write_message(message)
        if self._stream is not None:
            try:
                await self._send(content)
                return
            except Unavailable:
                await self.close()
        await self.open()
        await self._send(content)

    async def _send(self, content: bytes) -> None:
        assert self._stream is not None
        with trio.move_on_after(_MESSAGE_SECONDS) as patience:
            await self._stream.send(content)
        if patience.cancelled_caught:
            raise Unavailable(f"the peer {self._peer} does not read what it is sent")

    async def close(self) -> None:
        """Close the stream, if it is open."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()
