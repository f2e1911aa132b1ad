"""What a block can say: the IPLD data model in Python's own types.

A codec takes these types and no others, not even their subclasses, so that a value means the same to
all of them. Integers reach from -2**64 to 2**64 - 1, floats are finite, text is valid Unicode, and
lists and maps nest at most `IPLD_DEPTH_MAX` deep.
"""

from math import isfinite
from types import NoneType
from typing import Final, TypeAlias

from ipvm.errors import InvalidData
from ipvm.ipld.cid import Cid
from ipvm.limits import IPLD_DEPTH_MAX

__all__ = ["INT_MAX", "INT_MIN", "PLAIN", "InvalidEncoding", "Value", "check_number", "deeper"]

Value: TypeAlias = (
    bool | int | float | str | bytes | Cid | list["Value"] | dict[str, "Value"] | None
)
"""One value of the data model."""

INT_MIN: Final = -(2**64)
INT_MAX: Final = 2**64 - 1

PLAIN: Final = frozenset({NoneType, bool, str, bytes})
"""The types of which every value is of the data model, but for text with half a surrogate pair."""


class InvalidEncoding(InvalidData):
    """Bytes that a codec cannot read, or a value that it cannot write.

    Attributes:
        codec: Name of the codec, or its number if the codec itself is not known here.
    """

    def __init__(self, codec: str, reason: str) -> None:
        self.codec = codec
        super().__init__(f"not valid {codec}: {reason}")


def check_number(value: object, codec: str) -> None:
    """Raise `InvalidEncoding` unless the value is a number of the data model."""
    if type(value) is int:
        if not INT_MIN <= value <= INT_MAX:
            raise InvalidEncoding(codec, "an integer is not between -2**64 and 2**64 - 1")
    elif type(value) is not float:
        raise InvalidEncoding(codec, f"{type(value).__name__} is no type of the data model")
    elif not isfinite(value):
        raise InvalidEncoding(codec, "a float is not finite")


def deeper(depth: int, codec: str) -> int:
    """Count one more list or map around a value; raise `InvalidEncoding` if it is one too many."""
    if depth >= IPLD_DEPTH_MAX:
        raise InvalidEncoding(codec, f"lists and maps nest deeper than {IPLD_DEPTH_MAX}")
    return depth + 1
