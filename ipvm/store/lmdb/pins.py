"""Keep pins beside the blocks, in the same tree and the same transactions.

    p ‖ "c" ‖ CID      how far a pin without a name reaches
    p ‖ "n" ‖ name     how far the pin of that name reaches, and its binary CID behind that

How far is one letter: d, r or p, for direct, recursive or partial.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from ipvm.ipld import Cid
from ipvm.store.lmdb import journal
from ipvm.store.lmdb.transaction import Transaction
from ipvm.store.pins import Pin, Reach

_PIN: Final = b"p"
_BY_CID: Final = b"pc"
_BY_NAME: Final = b"pn"
_LETTERS: Final[dict[Reach, bytes]] = {"direct": b"d", "recursive": b"r", "partial": b"p"}
_REACHES: Final[dict[bytes, Reach]] = {letter: reach for reach, letter in _LETTERS.items()}


def keep(transaction: Transaction, pins: Sequence[Pin]) -> None:
    """Keep pins. Those that are there already cost no commit, unless there is a lease."""
    for pin in pins:
        key, value = _record(pin)
        if transaction.get(key) != value:
            transaction.put(key, value)
    journal.append(transaction, [bytes(pin.cid) for pin in pins])


def holds(transaction: Transaction, pin: Pin) -> bool:
    """Whether just this pin is there."""
    key, value = _record(pin)
    return transaction.get(key) == value


def remove(transaction: Transaction, cid: Cid) -> list[Pin]:
    """Take away all pins of a CID, and return them."""
    found = [pin for pin in _pins(transaction, b"") if pin.cid == cid]
    for pin in found:
        transaction.delete(_record(pin)[0])
    return found


def page(transaction: Transaction, after: Pin | None, count: int) -> Sequence[Pin]:
    """Return the next pins."""
    begin = _record(after)[0] if after else b""
    return list(islice(_pins(transaction, begin), count))


def _pins(transaction: Transaction, after: bytes) -> Iterator[Pin]:
    with transaction.cursor() as cursor:
        found = cursor.set_range(after or _PIN)
        if found and cursor.key() == after:
            found = cursor.next()
        if found:
            for key, value in cursor.iternext():
                if not key.startswith(_PIN):
                    return
                yield _pin(key, value)


def _record(pin: Pin) -> tuple[bytes, bytes]:
    letter, cid = _LETTERS[pin.reach], bytes(pin.cid)
    return (_BY_NAME + pin.name.encode(), letter + cid) if pin.name else (_BY_CID + cid, letter)


def _pin(key: bytes, value: bytes) -> Pin:
    named = key.startswith(_BY_NAME)
    rest = key[len(_BY_NAME) :]
    return Pin(
        cid=Cid.decode(value[1:] if named else rest),
        reach=_REACHES[value[:1]],
        name=rest.decode() if named else "",
    )
