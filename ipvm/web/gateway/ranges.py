"""Read which bytes are asked for, by the `Range` of HTTP and by the `entity-bytes` of gateways."""

import re
from collections.abc import Mapping
from typing import Final

from ipvm.errors import InvalidData

__all__ = ["Unsatisfiable", "entity_span", "wanted_span"]

_RANGE: Final = re.compile(r"(\d{0,19})-(\d{0,19})")
_ENTITY: Final = re.compile(r"(-?\d{1,19}):(-?\d{1,19}|\*)")


class Unsatisfiable(Exception):
    """No byte of what there is, is in the range.

    Attributes:
        size: Bytes that there are.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(size)


def wanted_span(headers: Mapping[str, str], size: int, tag: str) -> range | None:
    """Give the bytes that `Range` asks for; None where all are sent. Of several ranges, the first.

    Args:
        headers: Of the request.
        size: Bytes that there are.
        tag: What stands for them; `If-Range` may name another.

    Raises:
        Unsatisfiable: There are none of these bytes.
    """
    unit, _, ranges = headers.get("range", "").partition("=")
    found = _RANGE.fullmatch(ranges.partition(",")[0].strip())
    if unit.strip() != "bytes" or found is None or headers.get("if-range", tag) != tag:
        return None
    first, last = found.groups()
    if not first:
        if not last:
            return None
        span = range(max(size - int(last), 0), size)
    elif last and int(last) < int(first):
        return None
    else:
        span = range(min(int(first), size), min(int(last) + 1, size) if last else size)
    if not span:
        raise Unsatisfiable(size)
    return span


def entity_span(text: str, size: int) -> range:
    """Give the bytes that `entity-bytes=FIRST:LAST` asks for; negative numbers count from the end.

    Raises:
        InvalidData: It is no such range.
    """
    found = _ENTITY.fullmatch(text)
    if found is None:
        raise InvalidData("entity-bytes is FIRST:LAST, as in 0:1023, -1024:* or 0:*")
    first = _from_start(int(found[1]), size)
    last = size - 1 if found[2] == "*" else _from_start(int(found[2]), size, least=-1)
    return range(min(first, size), min(last + 1, size))


def _from_start(number: int, size: int, least: int = 0) -> int:
    return max(size + number, least) if number < 0 else number
