"""The short way of values across the edge of an export, for those that are what they seem.

Most arguments are of the very Python type that a function takes, and most results are numbers or
bytes. They need no form for records, which is what `ipvm.runtime.abi` goes through. Whatever is not
seen here to be right takes that way, which says what is wrong with it.
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ipvm.host import OpenBlock
from ipvm.ipld import RAW, Cid, Value
from ipvm.limits import BLOCK_BYTES_MAX
from ipvm.model import Signature, arguments
from ipvm.runtime.abi import Operand, Result, operands_from_values, python_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipvm.model import Type

__all__ = ["DirectArguments", "direct_value"]

_I32: Final = 1 << 31
_I64: Final = 1 << 63


class _Odd:
    """Stands for a value that takes the long way."""


_ODD: Final = _Odd()


class DirectArguments:
    """Brings the arguments of one function to the guest."""

    __slots__ = ("_name", "_shortcuts", "_signature")

    def __init__(self, signature: Signature, name: str) -> None:
        self._signature = signature
        self._name = name
        self._shortcuts = [_SHORTCUTS.get(type_, _long) for type_ in signature.params]

    def operands(self, values: Sequence[object]) -> Sequence[Operand]:
        """Check the arguments of a call, and give what goes to the guest for them.

        Raises:
            InvalidArguments: They do not fit the signature.
        """
        shortcuts = self._shortcuts
        if len(values) == len(shortcuts):
            operands = [shortcut(value) for shortcut, value in zip(shortcuts, values, strict=True)]
            if _ODD not in operands:
                return operands  # type: ignore[return-value] # none of them is odd
        given = arguments(self._signature, values, name=self._name)
        return operands_from_values(self._signature, given)


def direct_value(signature: Signature, results: Sequence[Result]) -> Value:
    """Give the result as the caller gets it; see `ipvm.runtime.abi.python_value`."""
    if len(results) == 1:
        result = results[0]
        if not isinstance(result, OpenBlock):
            return result
        plain = signature.results[0] == "bytes" and result.codec == RAW
        if plain and len(result.data) <= BLOCK_BYTES_MAX:
            return result.data
    return python_value(signature, results)


def _i32(value: object) -> Operand | _Odd:
    return value if type(value) is int and -_I32 <= value < _I32 else _ODD


def _i64(value: object) -> Operand | _Odd:
    return value if type(value) is int and -_I64 <= value < _I64 else _ODD


def _f64(value: object) -> Operand | _Odd:
    return value if type(value) is float and value == value else _ODD  # noqa: PLR0124 - no NaN


def _bytes(value: object) -> Operand | _Odd:
    if type(value) is bytes and len(value) <= BLOCK_BYTES_MAX:
        return OpenBlock(RAW, value)
    return _ODD


def _link(value: object) -> Operand | _Odd:
    return OpenBlock(RAW, bytes(value)) if type(value) is Cid else _ODD


def _long(_value: object) -> _Odd:
    return _ODD


_SHORTCUTS: "Final[Mapping[Type, Callable[[object], Operand | _Odd]]]" = MappingProxyType(
    {"i32": _i32, "i64": _i64, "f64": _f64, "bytes": _bytes, "link": _link}
)
