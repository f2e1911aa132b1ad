"""What the DHT needs of a network: it knows no other."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from ipvm.exchange.bitswap import Stream
from ipvm.exchange.dht.contacts import Contact, Endpoint, Scope

__all__ = ["Asker", "Network", "Visit"]


class Visit(NamedTuple):
    """A stream to a peer that is asked.

    Attributes:
        stream: The stream.
        scope: From where we reach it.
    """

    stream: Stream
    scope: Scope


class Asker(NamedTuple):
    """A peer that asks us.

    Attributes:
        contact: The peer, and where it listens, as far as that is known.
        scope: From where it reaches us.
        serves: The protocols that it is known to serve itself.
    """

    contact: Contact
    scope: Scope
    serves: Sequence[str]


class Network(Protocol):
    """The connections that there are, and others for as long as something is asked."""

    @property
    def peer_id(self) -> bytes:
        """The bytes of our ID."""
        ...

    def endpoints(self) -> Sequence[Endpoint]:
        """Where we listen."""
        ...

    def neighbours(self) -> Sequence[Asker]:
        """Give the peers that are connected."""
        ...

    def visit(self, contact: Contact, protocol: str) -> AbstractAsyncContextManager[Visit]:
        """Open a stream to a peer; what was connected for it is closed afterwards.

        Raises:
            PeersUnavailable: It cannot be reached, or does not speak the protocol.
        """
        ...
