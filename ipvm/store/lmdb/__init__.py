"""LMDB, alone behind one adapter: a store on the disk that many processes share.

The adapter has two halves. The lower one is synchronous and may be used by any thread: `opening`
decides whether a folder is a store, `environment` reads and writes it, `records` lays out what is
in it, `failures` turns what LMDB reports into conditions of ours. The upper one, `blockstore`, is
the `Blockstore` that the rest of the package sees.

LMDB maps the file into memory, so reading is a matter of microseconds and happens where it is asked
for. A commit waits for the disk and happens in a worker thread. What is returned is always a copy:
no view into the map leaves this package.
"""

from ipvm.store.lmdb.blockstore import Lmdb

__all__ = ["Lmdb"]
