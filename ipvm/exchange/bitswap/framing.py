"""Cut what comes over a stream into messages, without waiting for anything."""

from typing import Final, final

from ipvm.exchange.protobuf import InvalidMessage
from ipvm.limits import BITSWAP_MESSAGE_BYTES_MAX

__all__ = ["Frames"]

_MORE: Final = 0x80
_LENGTH_BYTES_MAX: Final = 4


@final
class Frames:
    """Bytes that have come, and the messages in them. Each has its length before it, as a varint.

    Args:
        bytes_max: Longest message that is taken.
    """

    __slots__ = ("_bytes", "_bytes_max", "_length")

    def __init__(self, bytes_max: int = BITSWAP_MESSAGE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = bytearray()
        self._length = -1

    def __len__(self) -> int:
        return len(self._bytes)

    @property
    def are_cut(self) -> bool:
        """Whether a message has begun and is not whole."""
        return bool(self._bytes) or self._length >= 0

    def feed(self, data: bytes) -> None:
        """Add bytes. What is whole must have been taken before."""
        self._bytes += data

    def take(self) -> bytes | None:
        """Give the next whole message, without its length; None if more bytes are needed.

        Raises:
            InvalidMessage: It is longer than messages may be. Said before it has come.
        """
        if self._length < 0:
            self._length = self._take_length()
        if not 0 <= self._length <= len(self._bytes):
            return None
        frame = bytes(memoryview(self._bytes)[: self._length])
        del self._bytes[: self._length]
        self._length = -1
        return frame

    def _take_length(self) -> int:
        length = 0
        for index, byte in enumerate(self._bytes[:_LENGTH_BYTES_MAX]):
            length |= (byte & ~_MORE) << 7 * index
            if byte < _MORE:
                if length > self._bytes_max:
                    break
                del self._bytes[: index + 1]
                return length
        else:
            if len(self._bytes) < _LENGTH_BYTES_MAX:
                return -1
        raise InvalidMessage(f"a message has at most {self._bytes_max} bytes")
