"""Get a block from anywhere: the store first, then a source, verified in either case."""

from ipvm.exchange.answer import Answer, OnAnswer, ignore_answer
from ipvm.exchange.conditions import SourceBusy
from ipvm.exchange.configuration import configured_gateways
from ipvm.exchange.offline import Offline, OfflineBlockNotFound
from ipvm.exchange.opening import opened_blocks
from ipvm.exchange.pinning import Pinned, Pins, PinsNotKept
from ipvm.exchange.service import BlockService
from ipvm.exchange.source import DagSource, NamedSource, Source, StoreSource

__all__ = [
    "Answer",
    "BlockService",
    "DagSource",
    "NamedSource",
    "Offline",
    "OfflineBlockNotFound",
    "OnAnswer",
    "Pinned",
    "Pins",
    "PinsNotKept",
    "Source",
    "SourceBusy",
    "StoreSource",
    "configured_gateways",
    "ignore_answer",
    "opened_blocks",
]
