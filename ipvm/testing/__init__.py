"""Checkers for whoever implements a protocol, sources with chosen faults, and programs from text.

They are for the tests of this package and of those who implement its protocols elsewhere.
"""

from ipvm.testing.programs import Library
from ipvm.testing.sources import Failing, Gated, Lying, Slow, check_source
from ipvm.testing.stores import BLOCKSTORE_CHECKS, BlockstoreCheck, check_blockstore

__all__ = [
    "BLOCKSTORE_CHECKS",
    "BlockstoreCheck",
    "Failing",
    "Gated",
    "Library",
    "Lying",
    "Slow",
    "check_blockstore",
    "check_source",
]
