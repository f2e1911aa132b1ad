"""Decide whom to ask next in a search, without asking.

The nearest to the key that are known are asked, nearest first, and tell of nearer ones. The search is
over when all of the nearest that are not out have answered, or so many have been asked that whoever
invents ever nearer peers has won nothing.
"""

from collections.abc import Iterable
from typing import Final, final

from ipvm.exchange.dht.contacts import Contact, place_of
from ipvm.limits import DHT_ASKED_MAX

__all__ = ["Lookup"]

_KNOWN_MAX: Final = 4 * DHT_ASKED_MAX


@final
class _Candidate:
    __slots__ = ("asked", "contact", "distance", "out")

    def __init__(self, contact: Contact, distance: int) -> None:
        self.contact = contact
        self.distance = distance
        self.asked = False
        self.out = False


@final
class Lookup:
    """A search for the peers that are nearest to a key.

    Args:
        key: The key.
        itself: The bytes of our own ID, which nobody needs to tell us of.
        width: How many of the nearest have to answer.
        asked_max: How many are asked at most.
    """

    def __init__(
        self, key: bytes, *, itself: bytes, width: int, asked_max: int = DHT_ASKED_MAX
    ) -> None:
        self._place = place_of(key)
        self._itself = itself
        self._width = width
        self._left = asked_max
        self._known: dict[bytes, _Candidate] = {}
        self._nearest: list[_Candidate] = []

    def hear(self, contacts: Iterable[Contact]) -> None:
        """Take note of peers. Of one that is known, other addresses are not believed any more."""
        for contact in contacts:
            if contact.id not in self._known and contact.id != self._itself:
                candidate = _Candidate(contact, place_of(contact.id) ^ self._place)
                self._known[contact.id] = candidate
                self._nearest.append(candidate)
        self._nearest.sort(key=_distance)
        for far in self._nearest[_KNOWN_MAX:]:
            if not far.asked:
                del self._known[far.contact.id]
        del self._nearest[_KNOWN_MAX:]

    def next(self) -> Contact | None:
        """Give whom to ask now; None if nobody, as long as no more is heard."""
        for candidate in self._front():
            if not candidate.asked and self._left > 0:
                self._left -= 1
                candidate.asked = True
                return candidate.contact
        return None

    def fail(self, peer: bytes) -> None:
        """Note that a peer did not answer."""
        self._known[peer].out = True

    def nearest(self) -> list[Contact]:
        """Give the nearest of those that were asked and have not failed, the nearest first."""
        return [each.contact for each in self._front() if each.asked]

    def _front(self) -> list[_Candidate]:
        return [each for each in self._nearest if not each.out][: self._width]


def _distance(candidate: _Candidate) -> int:
    return candidate.distance
