"""Remember peers that serve the DHT, more of those near to us than of those far away.

Who has been there for long stays: a new peer finds room only where there is some, so nobody pushes
out others by turning up in numbers.
"""

import heapq
from collections.abc import Iterator
from typing import Final, final

from ipvm.exchange.dht.contacts import Contact, place_of

__all__ = ["NEAREST", "Table"]

NEAREST: Final = 20
"""How many peers of each distance are remembered, told to others, and keep what is provided."""


@final
class Table:
    """Peers by how many bits of their places are as ours.

    Args:
        itself: The bytes of our own ID.
    """

    def __init__(self, itself: bytes) -> None:
        self._itself = itself
        self._place = place_of(itself)
        self._buckets: dict[int, dict[bytes, Contact]] = {}

    def __iter__(self) -> Iterator[Contact]:
        for bucket in self._buckets.values():
            yield from bucket.values()

    def note(self, contact: Contact) -> None:
        """Remember a peer that has answered, if there is room. What is known of it is renewed."""
        if contact.id == self._itself or not contact.endpoints:
            return
        bucket = self._buckets.setdefault(self._number(contact.id), {})
        if contact.id in bucket or len(bucket) < NEAREST:
            bucket[contact.id] = contact

    def forget(self, peer: bytes) -> None:
        """Make room, as a peer does not answer."""
        self._buckets.get(self._number(peer), {}).pop(peer, None)

    def nearest(self, key: bytes) -> list[Contact]:
        """Give the peers that are nearest to a key."""
        place = place_of(key)
        return heapq.nsmallest(NEAREST, self, key=lambda each: place_of(each.id) ^ place)

    def _number(self, peer: bytes) -> int:
        return (place_of(peer) ^ self._place).bit_length()
