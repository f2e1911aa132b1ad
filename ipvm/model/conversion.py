"""Turn plain values into records, and say exactly where one does not fit.

msgspec decides what fits and does the conversion. Its own paths leave out the keys of maps
(`$.exports[...].params[1]`) and its messages speak of JSON types, so after a failure, and only then,
the value is walked once more towards the place that msgspec refuses, one level at a time. Nothing
here knows which records there are: the types that msgspec reads are read again.
"""

import collections.abc
import types
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeGuard, TypeVar, Union, get_args, get_origin

import msgspec

from ipvm.errors import InvalidData
from ipvm.ipld import Cid
from ipvm.model.wording import noun, quoted, suggestion

__all__ = ["InvalidRecord", "convert", "joined"]

T = TypeVar("T")

_EXPECTED: Final[dict[object, str]] = {
    str: "a string",
    int: "an integer",
    Cid: "a link",
    tuple: "a list",
}


class InvalidRecord(InvalidData):
    """A value is not the record that it should be.

    Attributes:
        record: What it should have been: `manifest`, `receipt`, or the name of a file.
        path: Where in it, as in `exports["eval"].params[1]`; empty for the whole.
        problem: What is wrong there.
    """

    def __init__(self, record: str, path: str, problem: str) -> None:
        self.record = record
        self.path = path
        self.problem = problem
        super().__init__(": ".join(part for part in (record, path, problem) if part))


# msgspec encodes keys and enumerated strings before it compares them, and half of a surrogate pair
# has no encoding.
_REFUSALS: Final = (msgspec.ValidationError, InvalidRecord, UnicodeEncodeError)


class _Child(NamedTuple):
    step: str
    value: object
    expected: object


def convert(value: object, type_: type[T], *, record: str, path: str = "") -> T:
    """Build a record, or a field of one, out of plain values.

    Args:
        value: Maps, lists, strings, numbers and links.
        type_: A type that msgspec knows.
        record: What the message calls the whole.
        path: Where the value stands in it.

    Raises:
        InvalidRecord: The value does not fit, with the path to the first place where.
    """
    try:
        return msgspec.convert(value, type_)
    except _REFUSALS as error:
        path, problem = _located(value, type_, path)
        raise InvalidRecord(record, path, problem) from error


def joined(path: str, step: str) -> str:
    """The path some steps further: `[0]`, `["name"]` or the name of a field, or none."""
    return f"{path}.{step}" if path and step and not step.startswith("[") else path + step


def _located(value: object, expected: object, path: str) -> tuple[str, str]:
    """Path to the first place where the value does not fit, and what is wrong there."""
    expected = _present(expected)
    while (child := _unfit_child(value, expected)) is not None:
        path = joined(path, child.step)
        value, expected = child.value, _present(child.expected)
    step, problem = _problem(value, expected)
    return joined(path, step), problem


def _unfit_child(value: object, expected: object) -> _Child | None:
    for child in _children(value, expected):
        if _refusal(child.value, child.expected) is not None:
            return child
    return None


def _refusal(value: object, expected: object) -> Exception | None:
    try:
        msgspec.convert(value, expected)
    except _REFUSALS as error:
        return error
    return None


def _children(value: object, expected: object) -> Iterator[_Child]:
    """The parts of a value, each with the type that it should have; none if it has none to have."""
    origin = get_origin(expected)
    if isinstance(value, dict) and _is_struct(expected):
        for field in msgspec.structs.fields(expected):
            if field.name in value:
                yield _Child(field.name, value[field.name], field.type)
    elif isinstance(value, dict) and origin is collections.abc.Mapping:
        for name, item in value.items():
            yield _Child(f"[{quoted(str(name))}]", item, get_args(expected)[1])
    elif isinstance(value, list | tuple) and origin is tuple:
        for index, item in enumerate(value):
            yield _Child(f"[{index}]", item, get_args(expected)[0])


def _problem(value: object, expected: object) -> tuple[str, str]:
    """What is wrong with a value whose children all fit, and the step to it if it is one more."""
    if isinstance(value, dict) and _is_struct(expected):
        return _problem_of_fields(value, expected)
    if get_origin(expected) is Literal:
        found = quoted(value) if isinstance(value, str) else noun(value)
        return "", f"expected one of {', '.join(get_args(expected))}, got {found}"
    wanted = _EXPECTED.get(get_origin(expected) or expected, "a map")  # which a record is
    return "", f"expected {wanted}, got {noun(value)}"


def _problem_of_fields(
    value: dict[object, object], expected: type[msgspec.Struct]
) -> tuple[str, str]:
    fields = msgspec.structs.fields(expected)
    known = {field.name for field in fields}
    for name in value:
        if name not in known and name != expected.__struct_config__.tag_field:
            hint = suggestion(str(name), sorted(known.difference(value)))
            return "", f"unknown field {quoted(str(name))}{hint}"
    for field in fields:
        if field.required and field.name not in value:
            return field.name, "missing"
    refusal = _refusal(value, expected)
    if isinstance(refusal, InvalidRecord):  # its own check of a bound, which knows the rest
        return refusal.path, refusal.problem
    return "", str(refusal)


def _present(expected: object) -> object:
    """The type that a field has where it is present."""
    if get_origin(expected) in (Union, types.UnionType):
        return next(kind for kind in get_args(expected) if kind is not type(None))
    return expected


def _is_struct(expected: object) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(expected, type) and issubclass(expected, msgspec.Struct)
