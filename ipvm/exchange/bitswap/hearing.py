"""Read messages from a stream as they come, in bounded time and memory."""

import math
from typing import Final, final

import trio

from ipvm.exchange.bitswap.framing import Frames
from ipvm.exchange.bitswap.message import InvalidMessage, Message, read_message
from ipvm.exchange.bitswap.network import Stream

__all__ = ["Ear"]

_MESSAGE_SECONDS: Final = 60.0
"""Seconds that one message may take to come."""


@final
class Ear:
    """What comes over one stream."""

    __slots__ = ("_deadline", "_frames", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._frames = Frames()
        self._deadline = math.inf

    @property
    def unread(self) -> int:
        """Bytes that have come of a message that is not whole."""
        return len(self._frames)

    async def hear(self) -> list[Message] | None:
        """Wait, and give what has come; nothing while a long message is coming, None at the end.

        Raises:
            InvalidMessage: What came is no message, or took too long.
            Unavailable: The stream was cut.
        """
        data = b""
        with trio.move_on_at(self._deadline) as patience:
            data = await self._stream.receive()
        if patience.cancelled_caught:
            raise InvalidMessage("a message did not come to its end in time")
        if not data:
            return None
        self._frames.feed(data)
        messages = []
        while (frame := self._frames.take()) is not None:
            messages.append(read_message(frame))
        if messages or not self._frames.are_cut:
            self._deadline = math.inf
        if self._frames.are_cut:
            self._deadline = min(self._deadline, trio.current_time() + _MESSAGE_SECONDS)
        return messages
