"""Keep blocks: in memory, or on the disk (`ipvm.store.lmdb`, imported when it is needed)."""

from ipvm.store.blockstore import Blockstore, Enumerable, Inspectable, Measured, Statistics
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
from ipvm.store.walk import Check, Checkable, Fault, Walk

__all__ = [
    "Blockstore",
    "Check",
    "Checkable",
    "Enumerable",
    "Fault",
    "Inspectable",
    "Measured",
    "Memory",
    "NotAStore",
    "Statistics",
    "StoreDamaged",
    "StoreFull",
    "StoreReadOnly",
    "StoreTooNew",
    "StoreUnavailable",
    "Walk",
    "platform_folder",
    "store_path",
]
