"""The one form that a Python value has in records, for each type of a signature.

Nothing is converted because it happens to look alike: a boolean is no integer, text is no bytes, and
null is no number. A value may share parts with itself a million times, or contain
itself, so its depth is bounded and its size is counted as if every part were written out.
"""

import math
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ipvm import limits
from ipvm.ipld import Cid, InvalidCid, Value
from ipvm.model.file import File
from ipvm.model.records import Type
from ipvm.model.wording import noun, quoted

__all__ = ["BLOCK_TYPES", "NOT_FINITE", "Misfit", "form"]

BLOCK_TYPES: Final[frozenset[Type]] = frozenset({"bytes", "string", "ipld", "link"})
"""Types whose values go to a guest, and come from it, as the handle of a block."""

NOT_FINITE: Final = frozenset({"NaN", "Infinity", "-Infinity"})
"""How records write the floats that IPLD has no place for."""

_DEPTH_MAX: Final = limits.IPLD_DEPTH_MAX - 2
"""An invocation holds its arguments, and a receipt its result, two levels down."""

_SHOWN_BITS_MAX: Final = 128
"""Longest integer that a message shows: Python refuses to print those of thousands of digits."""


class Misfit(Exception):
    """A value has no form as this type. It is caught where it is known what the value is for.

    Attributes:
        problem: What is wrong.
        steps: From the part that is wrong outwards to the whole.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.steps: list[str] = []

    def described(self, path: str) -> str:
        """The message, with the path to the part."""
        return f"{path}{''.join(reversed(self.steps))}: {self.problem}"


def form(value: object, type_: Type) -> Value:
    """The form of a value in records. The form of a form is itself.

    What goes to a guest as a block may be null: it is the handle 0 then.

    Raises:
        Misfit: The value does not fit the type.
    """
    if value is None and type_ in BLOCK_TYPES:
        return None
    return _FORMS[type_](value)


def _integer(value: object, type_: Type, bits: int) -> Value:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Misfit(f"expected {type_}, got {noun(value)}")
    lowest, highest = -(1 << bits - 1), (1 << bits - 1) - 1
    if not lowest <= value <= highest:
        raise Misfit(f"{_shown(value)} is out of the range of {type_}, {lowest} to {highest}")
    return int(value)


def _float(value: object, type_: Type) -> Value:
    if isinstance(value, str) and value in NOT_FINITE:
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Misfit(f"expected {type_}, got {noun(value)}")
    try:
        number = float(value)
        if type_ == "f32":
            (number,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        raise Misfit(f"the number is out of the range of {type_}") from None
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _bool(value: object) -> Value:
    if not isinstance(value, bool):
        raise Misfit(f"expected bool, got {noun(value)}")
    return value


def _bytes(value: object) -> Value:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise Misfit(f"expected bytes, got {noun(value)}")
    _require_room(memoryview(value).nbytes)
    return bytes(value)


def _string(value: object) -> Value:
    if not isinstance(value, str):
        raise Misfit(f"expected string, got {noun(value)}")
    _require_room(_utf8_bytes(value))
    return str.__str__(value)  # of a subclass, the text and not what its `__str__` makes of it


def _link(value: object) -> Value:
    if isinstance(value, Cid):
        return value
    if isinstance(value, File):
        return value.cid
    if not isinstance(value, str):
        raise Misfit(f"expected link, got {noun(value)}")
    try:
        return Cid.parse(value)
    except InvalidCid as error:
        raise Misfit(f"expected link: {error}") from error


def _require_room(size: int) -> None:
    if size > limits.BLOCK_BYTES_MAX:
        raise Misfit(f"larger than a block, which holds {limits.BLOCK_BYTES_MAX} bytes")


def _utf8_bytes(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise Misfit("the text is not Unicode: it holds half of a surrogate pair") from None


def _shown(number: int) -> str:
    bits = number.bit_length()
    return str(number) if bits <= _SHOWN_BITS_MAX else f"an integer of {bits} bits"


class _Walk:
    """One pass over a value of type `ipld`, and what it has come to."""

    __slots__ = ("_bytes_spent", "_levels_left")

    def __init__(self) -> None:
        self._bytes_spent = 0
        self._levels_left = _DEPTH_MAX

    def node(self, value: object) -> Value:
        self._spend(1)
        if isinstance(value, list | tuple):
            return self._list(value)
        if isinstance(value, dict):
            return self._map(value)
        if isinstance(value, str):
            self._spend(_utf8_bytes(value))
            return str.__str__(value)
        if isinstance(value, bytes | bytearray | memoryview):
            self._spend(memoryview(value).nbytes)
            return bytes(value)
        return _scalar(value)

    def _list(self, value: list[object] | tuple[object, ...]) -> Value:
        self._descend()
        items: list[Value] = []
        for index, item in enumerate(value):
            try:
                items.append(self.node(item))
            except Misfit as misfit:
                misfit.steps.append(f"[{index}]")
                raise
        self._levels_left += 1
        return items

    def _map(self, value: dict[object, object]) -> Value:
        self._descend()
        entries: dict[str, Value] = {}
        for key, item in value.items():
            name = self._key(key)
            try:
                entries[name] = self.node(item)
            except Misfit as misfit:
                misfit.steps.append(f"[{quoted(name)}]")
                raise
        self._levels_left += 1
        return entries

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise Misfit(f"the keys of a map are strings, got {noun(key)}")
        self._spend(1 + _utf8_bytes(key))
        return str.__str__(key)

    def _descend(self) -> None:
        if self._levels_left == 0:
            raise Misfit(f"nested deeper than {_DEPTH_MAX} levels")
        self._levels_left -= 1

    def _spend(self, size: int) -> None:
        self._bytes_spent += size
        _require_room(self._bytes_spent)


def _scalar(value: object) -> Value:
    if value is None or isinstance(value, bool | Cid):
        return value
    if isinstance(value, File):
        return value.cid
    if isinstance(value, int):
        if not -(2**64) <= value < 2**64:
            raise Misfit(f"{_shown(value)} is more than IPLD has a place for, which is 64 bits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Misfit(f"{value} is no value of IPLD")
        return float(value)
    raise Misfit(f"expected a value of IPLD, got {noun(value)}")


_FORMS: Final[Mapping[Type, Callable[[object], Value]]] = MappingProxyType(
    {
        "i32": lambda value: _integer(value, "i32", 32),
        "i64": lambda value: _integer(value, "i64", 64),
        "f32": lambda value: _float(value, "f32"),
        "f64": lambda value: _float(value, "f64"),
        "bool": _bool,
        "bytes": _bytes,
        "string": _string,
        "ipld": lambda value: _Walk().node(value),
        "link": _link,
    }
)
