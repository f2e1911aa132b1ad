"""Read and write DAG-JSON, the form of values that people type and read.

Writing has one result: no whitespace, keys sorted by their bytes, numbers as ECMAScript prints them
(`1e-7`), except that a float without a fraction keeps its `.0`. Reading is strict about what is said
and not about how it is laid out, as the specification asks: whitespace and the order of keys are
free. Refused are repeated keys, numbers that no other codec could hold, links and bytes that are not
spelled as they are written here, and anything behind the value.

`{"/": text}` is a link and `{"/": {"bytes": text}}` is bytes. Maps that begin like these, in the order
of keys in which they are written, and go on otherwise are not DAG-JSON: they are refused in both
directions, and a value with one in it can only be said in DAG-CBOR.
"""

import json
import re
from binascii import a2b_base64, b2a_base64
from typing import Final, Never

from ipvm.ipld.cid import Cid, InvalidCid
from ipvm.ipld.value import InvalidEncoding, Value, check_number, deeper
from ipvm.limits import IPLD_DEPTH_MAX

__all__ = ["decode", "encode", "links"]

_NAME: Final = "dag-json"

_CONSTANTS: Final = {None: "null", True: "true", False: "false"}

_INT_LETTERS_MAX: Final = 21
"""The letters of -2**64. Python would take time quadratic in the length to read a longer one."""

_TEXT_LEVELS: Final = 2
"""Bytes, which hold nothing, are spelled as a map in a map."""

_SHIFT_MIN: Final = -6
_SHIFT_MAX: Final = 20
"""The decimal exponents that ECMAScript writes out instead of using `e`."""

_NESTING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""A string, which may be cut off, or a bracket. It never steps back, so it takes linear time."""

_quote: Final = json.JSONEncoder(ensure_ascii=False).encode


def encode(value: Value) -> bytes:
    """Write a value.

    Raises:
        InvalidEncoding: It is not of the data model, nests too deep, or holds a reserved map.
    """
    try:
        return _spell(value, 0).encode()
    except UnicodeEncodeError as error:
        raise InvalidEncoding(_NAME, "text holds half a surrogate pair") from error


def decode(data: bytes) -> Value:
    """Read a value.

    Raises:
        InvalidEncoding: The bytes are not DAG-JSON.
    """
    try:
        text = data.decode()
        nesting = _nesting(text)
        value: Value = _DECODER.decode(text)
    except ValueError as error:
        raise InvalidEncoding(_NAME, str(error)) from error
    if nesting > IPLD_DEPTH_MAX or "\\ud" in text or "\\uD" in text:
        encode(value)  # It tells bytes from a map too many, and a surrogate pair from half of one.
    return value


def links(data: bytes) -> tuple[Cid, ...]:
    """List the links, in order of appearance.

    Raises:
        InvalidEncoding: The bytes are not DAG-JSON.
    """
    found: list[Cid] = []
    ahead = [decode(data)]
    while ahead:
        value = ahead.pop()
        if isinstance(value, Cid):
            found.append(value)
        elif isinstance(value, list):
            ahead.extend(reversed(value))
        elif isinstance(value, dict):
            ahead.extend(reversed(value.values()))
    return tuple(found)


def _spell(value: Value, depth: int) -> str:
    if type(value) is str:
        return _quote(value)
    if type(value) is dict:
        return _spell_map(value, deeper(depth, _NAME))
    if type(value) is list:
        inner = deeper(depth, _NAME)
        return "[" + ",".join([_spell(item, inner) for item in value]) + "]"
    if isinstance(value, Cid):
        return f'{{"/":"{value}"}}'
    if type(value) is bytes:
        return f'{{"/":{{"bytes":"{_base64(value)}"}}}}'
    return _spell_scalar(value)


def _spell_scalar(value: Value) -> str:
    if value is None or type(value) is bool:
        return _CONSTANTS[value]
    check_number(value, _NAME)
    return _spell_float(value) if isinstance(value, float) else str(value)


def _spell_map(value: dict[str, Value], depth: int) -> str:
    if any(type(key) is not str for key in value):
        raise InvalidEncoding(_NAME, "the key of a map is not text")
    if _is_reserved(value):
        raise InvalidEncoding(_NAME, 'the key "/" is reserved for links and bytes')
    return "{" + ",".join([f"{_quote(k)}:{_spell(value[k], depth)}" for k in sorted(value)]) + "}"


def _spell_float(value: float) -> str:
    """Write a float as ECMAScript does, but so that it can be told from an integer."""
    text = repr(value)
    mantissa, found, exponent = text.partition("e")
    if not found:
        return text
    shift = int(exponent)
    if not _SHIFT_MIN <= shift <= _SHIFT_MAX:
        return f"{mantissa}e{shift:+d}"
    sign, digits = mantissa[: mantissa.startswith("-")], mantissa.lstrip("-").replace(".", "")
    if shift < 0:
        return f"{sign}0.{digits.rjust(len(digits) - shift - 1, '0')}"
    return f"{sign}{digits.ljust(shift + 1, '0')}.0"


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).rstrip(b"=").decode()


def _is_reserved(value: dict[str, Value]) -> bool:
    """Tell whether a map begins like a link or like bytes."""
    if "/" not in value or min(value) != "/":
        return False
    inner = value["/"]
    if not isinstance(inner, dict):
        return isinstance(inner, str)
    # A value to be written may have keys that are no text, which is noticed one level further in.
    return isinstance(inner.get("bytes"), str) and min(map(str, inner)) == "bytes"


def _nesting(text: str) -> int:
    """Bound the nesting of the text, before a reader that calls itself sees it."""
    if text.count("[") + text.count("{") <= IPLD_DEPTH_MAX:
        return 0
    depth = deepest = 0
    for token in _NESTING.finditer(text):
        if token[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in "]}":
            depth -= 1
    if deepest > IPLD_DEPTH_MAX + _TEXT_LEVELS:
        raise InvalidEncoding(_NAME, f"lists and maps nest deeper than {IPLD_DEPTH_MAX}")
    return deepest


def _read_map(pairs: list[tuple[str, Value]]) -> Value:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise InvalidEncoding(_NAME, "the keys of a map are repeated")
    if not _is_reserved(value):
        return value
    match list(value.values()):
        case [str(text)]:
            return _read_link(text)
        case [{"bytes": str(text), **others}] if not others:
            return _read_bytes(text)
        case _:
            raise InvalidEncoding(_NAME, 'the key "/" is reserved for links and bytes')


def _read_link(text: str) -> Cid:
    try:
        cid = Cid.parse(text)
    except InvalidCid as error:
        raise InvalidEncoding(_NAME, str(error)) from error
    if str(cid) != text:
        raise InvalidEncoding(_NAME, f"a link is spelled in another base than {cid}")
    return cid


def _read_bytes(text: str) -> bytes:
    data = a2b_base64(text + "=" * (-len(text) % 4))
    if _base64(data) != text:
        raise InvalidEncoding(_NAME, "bytes are not spelled in base 64 without padding")
    return data


def _read_int(text: str) -> int:
    if len(text) > _INT_LETTERS_MAX:
        raise InvalidEncoding(_NAME, f"an integer has {len(text)} digits")
    value = int(text)
    check_number(value, _NAME)
    return value


def _read_float(text: str) -> float:
    value = float(text)
    check_number(value, _NAME)
    return value


def _read_constant(text: str) -> Never:
    raise InvalidEncoding(_NAME, f"{text} is no number of the data model")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_read_map,
    parse_int=_read_int,
    parse_float=_read_float,
    parse_constant=_read_constant,
)
