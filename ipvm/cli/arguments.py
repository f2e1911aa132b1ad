"""Turn the words behind a function into arguments, as its signature wants them.

A word is DAG-JSON, with what people type besides: text without quotes where a string is wanted, a
bare CID where a link is, NaN and Infinity where a float is. The type decides, never the look of the
word, so `42` is a number for `i32` and text for `string`.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ipvm.cli.inputs import Given
from ipvm.errors import InvalidArguments, InvalidData
from ipvm.ipld import DAG_JSON, Cid, Value, decode
from ipvm.model import Signature, Type, arguments as checked_arguments

__all__ = ["parse_arguments"]

_NULL: Final = "null"
_LINK: Final = "cid:"
_TEXT: Final = "text:"
_HEX: Final = "hex:"
_SCHEME: Final = "ipfs://"
_NOT_FINITE: Final = frozenset({"NaN", "Infinity", "-Infinity"})

_FORMS: Final[Mapping[Type, str]] = MappingProxyType(
    {
        "i32": "a whole number, as in 42",
        "i64": "a whole number, as in 42",
        "f32": "a number, as in 2.5, NaN or -Infinity",
        "f64": "a number, as in 2.5, NaN or -Infinity",
        "bool": "true or false",
        "bytes": "@FILE, - for standard input, text:TEXT, hex:DIGITS or null",
        "string": "text",
        "ipld": 'JSON, as in \'[1, "two", {"/": "bafy…"}]\', with text in quotes',
        "link": "a CID, as in cid:bafy…, or null",
    }
)


def parse_arguments(signature: Signature, words: Sequence[Given], *, name: str) -> list[Value]:
    """Give the arguments of a call.

    Args:
        signature: Of the function.
        words: What was typed, and what it names.
        name: Of the function, for the message.

    Raises:
        InvalidArguments: There are too many words or too few, or one is not what the type wants.
    """
    if len(words) != len(signature.params):
        checked_arguments(signature, words, name=name)  # which refuses them, with the signature
    typed = zip(signature.params, words, strict=True)
    return [_argument(type_, word, number) for number, (type_, word) in enumerate(typed, 1)]


def _argument(type_: Type, word: Given, number: int) -> Value:
    try:
        if word.content is not None:
            return _of_content(type_, word.content)
        return _READERS[type_](word.text)
    except (InvalidData, ValueError) as error:
        wanted = f"argument {number} is of type {type_}: give {_FORMS[type_]}"
        raise InvalidArguments(f"{wanted} ({error})") from error


def _of_content(type_: Type, content: bytes) -> Value:
    """A file is taken as it is where text or bytes are wanted, else like what is typed."""
    if type_ == "bytes":
        return content
    text = content.decode()
    return text if type_ == "string" else _READERS[type_](text.strip())


def _number(text: str) -> Value:
    return float(text) if text in _NOT_FINITE else _json(text)


def _json(text: str) -> Value:
    return decode(text.encode(), DAG_JSON)


def _string(text: str) -> Value:
    if text == _NULL:
        return None
    if text.startswith('"'):
        try:
            return _json(text)
        except InvalidData:
            return text
    return text


def _bytes(text: str) -> Value:
    if text.startswith(_TEXT):
        return text.removeprefix(_TEXT).encode()
    if text.startswith(_HEX):
        return bytes.fromhex(text.removeprefix(_HEX))
    if text == _NULL or text.startswith("{"):
        return _json(text)
    raise ValueError("a word alone does not say which bytes it means")


def _link(text: str) -> Value:
    if text == _NULL or text.startswith("{"):
        return _json(text)
    return Cid.parse(text.removeprefix(_LINK).removeprefix(_SCHEME))


def _ipld(text: str) -> Value:
    return _link(text) if text.startswith(_LINK) else _json(text)


_READERS: Final[Mapping[Type, Callable[[str], Value]]] = MappingProxyType(
    {
        "i32": _json,
        "i64": _json,
        "f32": _number,
        "f64": _number,
        "bool": _json,
        "bytes": _bytes,
        "string": _string,
        "ipld": _ipld,
        "link": _link,
    }
)
