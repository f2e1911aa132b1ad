"""What Bitswap needs of a network, in two small protocols: it knows no other."""

from typing import Final, Protocol

from ipvm.errors import Unavailable

__all__ = ["PROTOCOLS", "PROTOCOL_WITHOUT_ANSWERS", "Network", "PeersUnavailable", "Stream"]

PROTOCOL_WITHOUT_ANSWERS: Final = "/ipfs/bitswap/1.1.0"
"""What older peers speak: in it, nobody says what it has and has not."""

PROTOCOLS: Final = ("/ipfs/bitswap/1.2.0", PROTOCOL_WITHOUT_ANSWERS)
"""What is spoken, the best first."""


class PeersUnavailable(Unavailable):
    """No peer is connected, or none that may have the block answered in time."""


class Stream(Protocol):
    """A stream to a peer. What fails, because the peer or the connection is gone, is Unavailable."""

    @property
    def protocol(self) -> str:
        """Which of `PROTOCOLS` is spoken on it."""
        ...

    async def receive(self) -> bytes:
        """Wait for bytes, and return some; none when no more will come."""
        ...

    async def send(self, data: bytes) -> None:
        """Send bytes. It waits while the peer does not read."""
        ...

    async def close(self) -> None:
        """Let go of it, both ways. Never fails, and takes a bounded time, also when cancelled."""
        ...


class Network(Protocol):
    """The connections that there are. A peer is named by the text of its ID."""

    async def open_stream(self, peer: str) -> Stream:
        """Open a stream to a connected peer; Unavailable if it does not speak Bitswap, or is gone."""
        ...

    async def drop(self, peer: str) -> None:
        """Close the connections to a peer. Never fails, and takes a bounded time."""
        ...
