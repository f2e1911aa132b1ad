"""Read and write DAG-CBOR, which has one spelling for each value.

Strictness is ours and stands in `_scan`: one pass over the bytes that builds nothing but the links.
So checking a block costs no memory beyond them, a length that lies allocates nothing, and hostile
nesting meets a bound and not the end of the stack. Only bytes that passed are given to `cbor2`, which
then meets none of what it is lenient about (tags, shared references, indefinite lengths).

The package `dag-cbor` is the reference: the tests hold the bytes written here, and the verdict on
bytes read, equal to its own. It does not do the work because it takes 0.1 ms a link.
"""

from math import isfinite
from struct import Struct
from typing import Final

import cbor2

from ipvm.ipld.cid import Cid, InvalidCid
from ipvm.ipld.value import PLAIN, InvalidEncoding, Value, check_number, deeper
from ipvm.limits import IPLD_DEPTH_MAX

__all__ = ["decode", "encode", "links"]

_NAME: Final = "dag-cbor"

_BYTES, _TEXT, _LIST, _MAP, _TAG = 0x40, 0x60, 0x80, 0xA0, 0xC0
"""The first byte of an item of each kind, to which its argument is added: a value or a length."""

_FALSE, _TRUE, _NULL, _DOUBLE = 0xF4, 0xF5, 0xF6, 0xFB

_FLOAT: Final = Struct(">d")

_LINK: Final = b"\xd8\x2a"
_LINK_TAG: Final = 42

_SHORT: Final = 24
"""The first argument that does not fit into the first byte of an item."""

_SHORTEST: Final = (_SHORT, 1 << 8, 1 << 16, 1 << 32)
"""The least arguments that deserve 1, 2, 4 and 8 bytes of their own."""


def _leap(initial: int) -> int:
    """Tell how long an item is whose first byte says everything about it; else 0."""
    argument = initial & 0x1F
    if initial in {_FALSE, _TRUE, _NULL} or (initial < _BYTES and argument < _SHORT):
        return 1
    return 1 + argument if _BYTES <= initial < _BYTES + _SHORT else 0


_LEAPS: Final = tuple(_leap(initial) for initial in range(256))


def encode(value: Value) -> bytes:
    """Write a value.

    Raises:
        InvalidEncoding: It is not of the data model, or nests too deep.
    """
    try:
        return cbor2.dumps(_ordered(value, 0))
    except UnicodeEncodeError as error:
        raise InvalidEncoding(_NAME, "text holds half a surrogate pair") from error


def decode(data: bytes) -> Value:
    """Read a value.

    Raises:
        InvalidEncoding: The bytes are not the one spelling of a value.
    """
    found = iter(links(data))
    value: Value = cbor2.loads(data, tag_hook=lambda _tag, _immutable: next(found))
    return value


def links(data: bytes) -> tuple[Cid, ...]:
    """List the links, in order of appearance.

    Raises:
        InvalidEncoding: The bytes are not the one spelling of a value.
    """
    found: list[Cid] = []
    try:
        end = _scan(data, found)
    except IndexError:
        end = len(data) + 1
    if end > len(data):
        raise _invalid("the data is cut off", len(data))
    if end < len(data):
        raise _invalid("something follows the value", end)
    return tuple(found)


def _scan(data: bytes, found: list[Cid]) -> int:
    """Walk over one value, collect its links, and return the offset after it.

    An offset past the end is not noticed at once: it ends the walk with an `IndexError`, or is
    what is returned. Both mean that the data is cut off.
    """
    outer: list[tuple[int, bytes | None]] = []
    position, left, key = 0, 1, None  # key: the last one of the map that we are in; None in a list
    while True:
        while not left:
            if not outer:
                return position
            left, key = outer.pop()
        left -= 1
        if key is not None:
            position, key = _key(data, position, key)
        initial = data[position]
        if leap := _LEAPS[initial]:
            position += leap
        elif _LIST <= initial < _TAG:
            if len(outer) >= IPLD_DEPTH_MAX:
                raise _invalid(f"lists and maps nest deeper than {IPLD_DEPTH_MAX}", position)
            outer.append((left, key))
            left, position = _argument(data, position)
            key = b"" if initial >= _MAP else None
        else:
            position = _leaf(data, position, found)


def _key(data: bytes, position: int, last: bytes) -> tuple[int, bytes]:
    """Check the key of a map entry against the one before it; return what follows, and the key.

    Keys are compared as they are spelled, head included, which puts the shorter one first.
    """
    if not _TEXT <= data[position] < _LIST:
        raise _invalid("the key of a map is not text", position)
    end = _text(data, position)
    key = data[position:end]
    if key <= last:
        raise _invalid("the keys of a map are repeated or not in canonical order", position)
    return end, key


def _leaf(data: bytes, position: int, found: list[Cid]) -> int:
    """Check an item that contains no others, except those that `_LEAPS` knows."""
    initial = data[position]
    if initial == _DOUBLE:
        return _double(data, position)
    if initial >= _TAG:
        return _link(data, position, found)
    if initial >= _TEXT:
        return _text(data, position)
    argument, end = _argument(data, position)
    return end + argument if initial >= _BYTES else end


def _argument(data: bytes, position: int) -> tuple[int, int]:
    """Read the number in the head of an item; return it and the offset after it."""
    short = data[position] & 0x1F
    position += 1
    if short < _SHORT:
        return short, position
    if short >= _SHORT + len(_SHORTEST):
        raise _invalid("a length is indefinite or reserved", position - 1)
    end = position + (1 << (short - _SHORT))
    argument = int.from_bytes(data[position:end])
    if argument < _SHORTEST[short - _SHORT] and end <= len(data):
        raise _invalid("a number is not in its shortest form", position - 1)
    return argument, end


def _text(data: bytes, position: int) -> int:
    length, start = _argument(data, position)
    end = start + length
    text = data[start:end]
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise _invalid("text is not valid UTF-8", position) from error
    return end


def _double(data: bytes, position: int) -> int:
    end = position + 1 + _FLOAT.size
    if end <= len(data) and not isfinite(_FLOAT.unpack_from(data, position + 1)[0]):
        raise _invalid("a float is not finite", position)
    return end


def _link(data: bytes, position: int, found: list[Cid]) -> int:
    if not data.startswith(_LINK, position):
        raise _invalid("neither a link nor null, a boolean or a 64-bit float", position)
    head = position + len(_LINK)
    if not _BYTES <= data[head] < _TEXT:
        raise _invalid("a link is not made of bytes", position)
    length, start = _argument(data, head)
    end = start + length
    if data[start] != 0 or end == start:
        raise _invalid("a link does not begin with a zero byte", position)
    try:
        found.append(Cid.decode(data[start + 1 : end]))
    except InvalidCid as error:
        raise _invalid(str(error), position) from error
    return end


def _ordered(value: Value, depth: int) -> object:
    """Check a value, and make of it what `cbor2` writes canonically."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, Cid):
        return cbor2.CBORTag(_LINK_TAG, b"\0" + bytes(value))
    if type(value) is list:
        inner = deeper(depth, _NAME)
        return [_ordered(item, inner) for item in value]
    if type(value) is dict:
        inner = deeper(depth, _NAME)
        return {key: _ordered(value[key], inner) for key in sorted(value, key=_rank)}
    check_number(value, _NAME)
    return value


def _rank(key: str) -> tuple[int, bytes]:
    """Give the order of a key in canonical DAG-CBOR: by its length in bytes, then by its bytes."""
    if type(key) is not str:
        raise InvalidEncoding(_NAME, "the key of a map is not text")
    spelled = key.encode()
    return len(spelled), spelled


def _invalid(reason: str, position: int) -> InvalidEncoding:
    return InvalidEncoding(_NAME, f"{reason} (at byte {position})")
