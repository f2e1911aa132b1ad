"""Checkers that every implementation of a protocol passes, and sources with chosen faults.

They are for the tests of this package and of those who implement its protocols elsewhere.
"""

from ipvm.testing.sources import Failing, Gated, Lying, check_source
from ipvm.testing.stores import BLOCKSTORE_CHECKS, BlockstoreCheck, check_blockstore

__all__ = [
    "BLOCKSTORE_CHECKS",
    "BlockstoreCheck",
    "Failing",
    "Gated",
    "Lying",
    "check_blockstore",
    "check_source",
]
