"""What is in the file: blocks by their multihash, records about the whole, and what is to stay.

    b ‖ multihash     the bytes of a block
    m ‖ "version"     the version of this layout, in decimal digits
    m ‖ "usage"       number of blocks and of their bytes, two unsigned 64-bit integers, big-endian
    p ‖ …             pins (`pins`)
    l ‖ …, j ‖ …      leases, and what was put while there is one (`journal`)

One tree holds them all, told apart by the first byte of the key. Trees of their own would have to
be opened in a write transaction, so that merely opening a store would wait for whoever writes to it
(py-lmdb 3.0 waits there without letting other Python threads run). A key has at most 133 bytes, of
511 that LMDB allows. A version that adds further first bytes need not change the number.

The usage is kept by every write in its own transaction: counting a big store would take minutes.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from ipvm.ipld import Cid
from ipvm.store.commit import Write
from ipvm.store.lmdb import journal
from ipvm.store.lmdb.transaction import Transaction

if TYPE_CHECKING:
    import lmdb

FORMAT: Final = 1
"""Version of the layout that this module reads and writes."""

_BLOCK: Final = b"b"
_VERSION: Final = b"mversion"
_USAGE: Final = b"musage"
_NUMBERS: Final = struct.Struct(">QQ")


def initialise(transaction: Transaction) -> None:
    """Make an empty file a store."""
    transaction.put(_VERSION, b"%d" % FORMAT)
    transaction.put(_USAGE, _NUMBERS.pack(0, 0))


def version(transaction: Transaction) -> int | None:
    """Return the version of the layout, None if there is no number."""
    digits = transaction.get(_VERSION) or b""
    return int(digits) if digits.isdigit() and len(digits) <= _NUMBERS.size else None


def block_bytes(transaction: Transaction, multihash: bytes) -> bytes | None:
    """Return what is kept under `multihash`, unverified."""
    return transaction.get(_BLOCK + multihash)


def many_bytes(transaction: Transaction, multihashes: Sequence[bytes]) -> list[bytes | None]:
    """Return what is kept under each of `multihashes`, unverified."""
    return [transaction.get(_BLOCK + multihash) for multihash in multihashes]


def has_block(transaction: Transaction, multihash: bytes) -> bool:
    """Whether anything is kept under `multihash`."""
    with transaction.cursor() as cursor:
        return cursor.set_key(_BLOCK + multihash)


def block_size(transaction: Transaction, multihash: bytes) -> int | None:
    """Return the number of bytes that are kept under `multihash`, None if nothing is."""
    data = block_bytes(transaction, multihash)
    return None if data is None else len(data)


def usage(transaction: Transaction) -> tuple[int, int]:
    """Return the number of blocks and of their bytes."""
    packed = transaction.get(_USAGE) or b""
    return _NUMBERS.unpack(packed) if len(packed) == _NUMBERS.size else (0, 0)


def multihashes(transaction: Transaction, after: bytes, count: int) -> Sequence[bytes]:
    """Return up to `count` keys of blocks that are greater than `after`, ascending."""
    with transaction.cursor() as cursor:
        found = cursor.set_range(_BLOCK + after)
        if found and cursor.key() == _BLOCK + after:
            cursor.next()
        return [key[len(_BLOCK) :] for key in islice(_block_keys(cursor), count)]


def _block_keys(cursor: "lmdb.Cursor[bytes]") -> Iterator[bytes]:
    for key in cursor.iternext(keys=True, values=False):
        if not key.startswith(_BLOCK):
            return
        yield key


def apply(transaction: Transaction, writes: Iterable[Write]) -> None:
    """Make `writes` in their order, and account for them.

    What is there already is compared and left, so that a transaction without news costs no commit,
    and what has rotted is healed. While there is a lease, what is put is noted, also if it is there.
    """
    blocks, total = before = usage(transaction)
    put: list[bytes] = []
    for cid, data in writes:
        key = _BLOCK + Cid.decode(cid).multihash
        if data is not None:
            put.append(cid)
        kept = transaction.get(key)
        if kept == data:
            continue
        if data is None:
            transaction.delete(key)
        else:
            transaction.put(key, data)
        blocks += (data is not None) - (kept is not None)
        total += len(data or b"") - len(kept or b"")
    if (blocks, total) != before:
        transaction.put(_USAGE, _NUMBERS.pack(max(blocks, 0), max(total, 0)))
    journal.append(transaction, put)
