"""The items of a batch: what of them goes to the function, how many at a time, and which one failed."""

import os
from typing import Final

from ipvm.errors import InvalidArguments
from ipvm.model import Signature
from ipvm.model.wording import noun, printable

__all__ = ["calls_at_once", "note_item", "spread"]

CALLS_PER_CORE: Final = 4
"""Calls at a time that keep a core busy while some of them wait, or are slower than others."""
_SHOWN_MAX: Final = 200


def calls_at_once(concurrency: int | None) -> int:
    """Give the number of calls at a time, which is 4 for each core if nobody asks for another.

    Raises:
        InvalidArguments: It is none.
    """
    if concurrency is None:
        return CALLS_PER_CORE * (os.cpu_count() or 1)
    if concurrency < 1:
        raise InvalidArguments(f"concurrency is a number of calls from 1, not {concurrency}")
    return concurrency


def spread(item: object, signature: Signature, *, name: str) -> tuple[object, ...]:
    """Give the arguments of one call: the item itself, or its parts where there are to be several.

    Raises:
        InvalidArguments: It has no parts.
    """
    count = len(signature.params)
    if count == 1:
        return (item,)
    if isinstance(item, tuple | list):
        return tuple(item)
    raise InvalidArguments(
        f"{printable(name)} takes {count or 'no'} arguments: an item is a tuple of them,"
        f" got {noun(item)}"
    )


def note_item(error: BaseException, number: int, item: object) -> None:
    """Note in an exception at which item of a batch it came."""
    shown = printable(repr(item))
    if len(shown) > _SHOWN_MAX:
        shown = f"{shown[:_SHOWN_MAX]}…"
    error.add_note(f"That was item {number} of the batch, counted from 0: {shown}")
