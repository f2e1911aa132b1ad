"""Get a block from anywhere: the store first, then a source, verified in either case."""

from ipvm.exchange.first import FirstOf
from ipvm.exchange.offline import Offline, OfflineBlockNotFound
from ipvm.exchange.pinning import Pinned, Pins, PinsNotKept
from ipvm.exchange.service import BlockService
from ipvm.exchange.source import Source, StoreSource

__all__ = [
    "BlockService",
    "FirstOf",
    "Offline",
    "OfflineBlockNotFound",
    "Pinned",
    "Pins",
    "PinsNotKept",
    "Source",
    "StoreSource",
]
