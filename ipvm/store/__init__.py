"""Keep blocks: in memory, or on the disk (`ipvm.store.lmdb`, imported when it is needed)."""

from ipvm.store.announced import announced, announcement
from ipvm.store.blockstore import (
    Batched,
    Blockstore,
    Enumerable,
    Inspectable,
    Measured,
    Statistics,
)
from ipvm.store.collect import Collectable, Collected, Freed, Ground, Progress, collect
from ipvm.store.conditions import (
    NotAStore,
    StoreDamaged,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from ipvm.store.location import platform_folder, store_path
from ipvm.store.memory import Memory
from ipvm.store.pins import InvalidPin, NotPinned, Pin, Pinning, Reach
from ipvm.store.tracing import Marks, Problem
from ipvm.store.walk import Check, Checkable, Fault, Walk

__all__ = [
    "Batched",
    "Blockstore",
    "Check",
    "Checkable",
    "Collectable",
    "Collected",
    "Enumerable",
    "Fault",
    "Freed",
    "Ground",
    "Inspectable",
    "InvalidPin",
    "Marks",
    "Measured",
    "Memory",
    "NotAStore",
    "NotPinned",
    "Pin",
    "Pinning",
    "Problem",
    "Progress",
    "Reach",
    "Statistics",
    "StoreDamaged",
    "StoreFull",
    "StoreReadOnly",
    "StoreTooNew",
    "StoreUnavailable",
    "Walk",
    "announced",
    "announcement",
    "collect",
    "platform_folder",
    "store_path",
]
