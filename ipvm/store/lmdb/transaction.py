"""Name the type of a transaction, without importing LMDB."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import lmdb

Transaction: TypeAlias = "lmdb.Transaction[bytes]"
"""A transaction that gives out copies, not views into the map."""
