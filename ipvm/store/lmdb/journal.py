"""Note what is put while somebody wants to know: leases, and the journal they make the store write.

    l ‖ name          number of the journal when the lease began, an unsigned 64-bit integer, big-endian
    j ‖ number        CIDs that were put in one transaction, each behind its length in one byte
    m ‖ "journal"     number of the next entry; it never goes back

A journal is written while there is a lease, and kept as far back as the oldest one needs. So who
never collects garbage pays one look at the leases for each commit. All of these run in a transaction
that the caller has begun.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from ipvm.ipld import Cid
from ipvm.store.lmdb.transaction import Transaction

_LEASE: Final = b"l"
_ENTRY: Final = b"j"
_NEXT: Final = b"mjournal"
_NUMBER: Final = struct.Struct(">Q")


def append(transaction: Transaction, cids: Iterable[bytes]) -> None:
    """Note binary CIDs, if there is a lease."""
    if next(_keys(transaction, _LEASE), None) is None:
        return
    entry = b"".join(bytes((len(cid),)) + cid for cid in cids)
    if entry:
        number = _next(transaction)
        transaction.put(_ENTRY + _NUMBER.pack(number), entry)
        transaction.put(_NEXT, _NUMBER.pack(number + 1))


def entries(transaction: Transaction, since: int) -> tuple[list[Cid], int]:
    """Return the CIDs from an entry on, and the number of the entry that comes next."""
    found: list[Cid] = []
    with transaction.cursor() as cursor:
        if cursor.set_range(_ENTRY + _NUMBER.pack(since)):
            for key, entry in cursor.iternext():
                if not key.startswith(_ENTRY):
                    break
                found += _parse(entry)
    return found, _next(transaction)


def begin(transaction: Transaction, name: bytes) -> None:
    """Begin a lease."""
    transaction.put(_LEASE + name, _NUMBER.pack(_next(transaction)))


def end(transaction: Transaction, names: Iterable[bytes]) -> None:
    """End leases, and forget what of the journal was kept for them alone."""
    for name in names:
        transaction.delete(_LEASE + name)
    needed = oldest(transaction)
    passed = [
        key
        for key in _keys(transaction, _ENTRY)
        if needed is None or key < _ENTRY + _NUMBER.pack(needed)
    ]
    for key in passed:
        transaction.delete(key)


def leases(transaction: Transaction) -> list[bytes]:
    """Return the names of all leases, ended processes included."""
    return [key[len(_LEASE) :] for key in _keys(transaction, _LEASE)]


def oldest(transaction: Transaction) -> int | None:
    """Return the number of the journal when the oldest lease began; None if there is no lease."""
    begun = (transaction.get(key) or b"" for key in _keys(transaction, _LEASE))
    return min((_NUMBER.unpack(each)[0] for each in begun), default=None)


def _next(transaction: Transaction) -> int:
    packed = transaction.get(_NEXT)
    number: int = _NUMBER.unpack(packed)[0] if packed else 0
    return number


def _keys(transaction: Transaction, prefix: bytes) -> Iterator[bytes]:
    with transaction.cursor() as cursor:
        if cursor.set_range(prefix):
            for key in cursor.iternext(keys=True, values=False):
                if not key.startswith(prefix):
                    return
                yield key


def _parse(entry: bytes) -> Iterator[Cid]:
    position = 0
    while position < len(entry):
        end_of_cid = position + 1 + entry[position]
        yield Cid.decode(entry[position + 1 : end_of_cid])
        position = end_of_cid
