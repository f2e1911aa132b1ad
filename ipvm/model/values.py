"""Bring the arguments and results of a call into the one form that records hold, and back.

The signature of an export decides. Integers have the range of their type, `f32` is rounded to single
precision, and a float that IPLD has no place for is a string: `"NaN"`, `"Infinity"`, `"-Infinity"`.
What stands in an invocation may be given as the arguments of the next.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from ipvm.errors import InvalidArguments, InvalidData
from ipvm.ipld import Value
from ipvm.model.forms import NOT_FINITE, Misfit, form
from ipvm.model.records import Signature, Type
from ipvm.model.wording import noun, quoted

__all__ = [
    "InvalidResult",
    "WasmType",
    "arguments",
    "from_record",
    "from_result",
    "result",
    "to_argument",
    "to_result",
    "wasm_type",
]

WasmType: TypeAlias = Literal["i32", "i64", "f32", "f64"]
"""What the module itself takes and gives."""

_WASM_TYPES: Final[Mapping[Type, WasmType]] = MappingProxyType(
    {"i64": "i64", "f32": "f32", "f64": "f64"}
)


class InvalidResult(InvalidData):
    """What a function returned is not what its signature promises."""


def arguments(signature: Signature, values: Sequence[object], *, name: str) -> list[Value]:
    """Bring the arguments of a call into the form for records.

    Args:
        signature: Of the export.
        values: What the caller gave, in order.
        name: Of the export, for the message.

    Raises:
        InvalidArguments: There are too many or too few, or one does not fit. The message counts
            arguments from one.
    """
    params = signature.params
    if len(values) != len(params):
        shown = name if name.isidentifier() else quoted(name)
        types = f" ({', '.join(params)})" if params else ""
        takes = _counted(len(params), "argument")
        raise InvalidArguments(f"{shown} takes {takes}{types}, got {len(values)}")
    try:
        return _forms(values, params)
    except Misfit as misfit:
        raise InvalidArguments(misfit.described("argument")) from misfit


def to_argument(value: object, type_: Type, *, path: str) -> Value:
    """Bring one argument into the form for records.

    Args:
        value: Any Python value.
        type_: Type of the parameter.
        path: How the message names the argument.

    Raises:
        InvalidArguments: The value does not fit the type; the message has the path to where.
    """
    try:
        return form(value, type_)
    except Misfit as misfit:
        raise InvalidArguments(misfit.described(path)) from misfit


def result(signature: Signature, values: Sequence[object]) -> Value:
    """Bring what a call returned into the form for records.

    Returns:
        The one result as it is, null for none, and a list for more than one.

    Raises:
        InvalidResult: The values do not fit the signature. The message counts results from one.
    """
    types = signature.results
    if len(values) != len(types):
        raise InvalidResult(f"expected {_counted(len(types), 'result')}, got {len(values)}")
    try:
        return _as_one(_forms(values, types))
    except Misfit as misfit:
        raise InvalidResult(misfit.described("result")) from misfit


def from_record(value: Value, type_: Type) -> Value:
    """Turn the form for records into what the caller gets: floats that are not finite."""
    if type_ in ("f32", "f64") and isinstance(value, str) and value in NOT_FINITE:
        return float(value)
    return value


def from_result(signature: Signature, value: Value) -> Value:
    """Turn the result in a receipt into what the caller gets.

    Raises:
        InvalidResult: The receipt holds something else than the signature promises.
    """
    types = signature.results
    values = [value] if len(types) == 1 else [] if value is None else value
    if not isinstance(values, list):
        promised = _counted(len(types), "result")
        raise InvalidResult(f"expected {promised}, got {noun(value)}")
    result(signature, values)
    return _as_one([from_record(item, type_) for item, type_ in zip(values, types, strict=True)])


def to_result(signature: Signature, value: Value) -> Value:
    """Give what the caller got the form that it has in a receipt: the way back of `from_result`.

    Raises:
        InvalidResult: It is not what the signature promises.
    """
    if len(signature.results) == 1:
        return result(signature, [value])
    return result(signature, value if isinstance(value, list) else [])


def wasm_type(type_: Type) -> WasmType:
    """What a value of the type is to the module: a number, or a block handle in an `i32`."""
    return _WASM_TYPES.get(type_, "i32")


def _forms(values: Sequence[object], types: Sequence[Type]) -> list[Value]:
    found: list[Value] = []
    for number, (value, type_) in enumerate(zip(values, types, strict=True), 1):
        try:
            found.append(form(value, type_))
        except Misfit as misfit:
            misfit.steps.append(f" {number}")
            raise
    return found


def _as_one(values: list[Value]) -> Value:
    if len(values) == 1:
        return values[0]
    return values or None


def _counted(number: int, noun_: str) -> str:
    return f"{number or 'no'} {noun_}{'' if number == 1 else 's'}"
