"""Remember who provides what, for others, as long as records hold and within bounds.

Time is an argument. A record holds for two days, unless it is renewed. When there are too many, the
oldest go.
"""

from collections import Counter
from typing import Final, final

from ipvm.exchange.dht.contacts import Contact
from ipvm.limits import DHT_RECORDS_MAX, DHT_RECORDS_PER_PEER_MAX

__all__ = ["HOLDS_SECONDS", "Records"]

HOLDS_SECONDS: Final = 48 * 3600.0
"""Seconds after which a record is forgotten."""

_PROVIDERS_MAX: Final = 20
"""Providers of one key that are remembered: those who said so last."""


@final
class Records:
    """Who has said to provide which key.

    Args:
        records_max: How many are remembered.
        per_peer_max: How many of them one peer may have.
    """

    def __init__(
        self,
        *,
        records_max: int = DHT_RECORDS_MAX,
        per_peer_max: int = DHT_RECORDS_PER_PEER_MAX,
    ) -> None:
        self._records_max = records_max
        self._per_peer_max = per_peer_max
        self._until: dict[tuple[bytes, bytes], float] = {}  # the oldest first
        self._providers: dict[bytes, dict[bytes, Contact]] = {}
        self._of_peer: Counter[bytes] = Counter()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, key: bytes, provider: Contact, now: float) -> bool:
        """Remember that a peer provides a key, and tell whether it is."""
        self._expire(now)
        self._remove(key, provider.id)
        if self._of_peer[provider.id] >= self._per_peer_max:
            return False
        while len(self._until) >= self._records_max:
            self._remove(*next(iter(self._until)))
        providers = self._providers.setdefault(key, {})
        if len(providers) >= _PROVIDERS_MAX:
            self._remove(key, next(iter(providers)))
            providers = self._providers.setdefault(key, {})
        providers[provider.id] = provider
        self._until[key, provider.id] = now + HOLDS_SECONDS
        self._of_peer[provider.id] += 1
        return True

    def of(self, key: bytes, now: float) -> list[Contact]:
        """Give the providers of a key, those who said so last first."""
        self._expire(now)
        return [*reversed(self._providers.get(key, {}).values())]

    def _expire(self, now: float) -> None:
        while self._until:
            oldest = next(iter(self._until))
            if self._until[oldest] > now:
                break
            self._remove(*oldest)

    def _remove(self, key: bytes, peer: bytes) -> None:
        if self._until.pop((key, peer), None) is None:
            return
        del self._providers[key][peer]
        if not self._providers[key]:
            del self._providers[key]
        self._of_peer[peer] -= 1
        if not self._of_peer[peer]:
            del self._of_peer[peer]
