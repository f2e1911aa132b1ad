"""Spell bytes as text, and read text whose first letter names its base.

The bases that CIDs are printed in (32, 58) and the other common ones (16, 36) are done here: reading
a base whose digits hold whole bits is one conversion of an integer. All others are left to
`multiformats`, which is imported when the first of them is met, because that import costs more than
a whole call of a function.

Reading is strict: exactly one text per base stands for given bytes. Reading base 58 or 36 takes time
quadratic in the length, so bound the text first.
"""

from typing import Final

from ipvm.errors import InvalidData

__all__ = ["InvalidMultibase", "base32", "base58", "decode", "decode_base58"]

_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE36: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_INT_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuv"
"""The digits of `int(text, 32)`."""

_RARE_PREFIXES: Final = frozenset("\x00079cChmMptTuUvVZ🚀")
"""First letters of the bases that are left to `multiformats`: other text is refused without it."""

_BASE32_PAIRS: Final = [high + low for high in _BASE32 for low in _BASE32]


class InvalidMultibase(InvalidData):
    """The text is not the spelling of any bytes in the base that its first letter names."""


def _to_int_digits(alphabet: str) -> bytes:
    """Build the translation from an alphabet to the digits of `int`; all else becomes invalid."""
    table = bytearray(b"!" * 256)
    for digit, letter in zip(_INT_DIGITS, alphabet.encode(), strict=False):
        table[letter] = digit
    return bytes(table)


_BITS: Final = {
    "b": (5, _to_int_digits(_BASE32)),
    "B": (5, _to_int_digits(_BASE32.upper())),
    "f": (4, _to_int_digits("0123456789abcdef")),
    "F": (4, _to_int_digits("0123456789ABCDEF")),
}
_NUMBERS: Final = {
    "z": {letter: digit for digit, letter in enumerate(_BASE58)},
    "k": {letter: digit for digit, letter in enumerate(_BASE36)},
    "K": {letter: digit for digit, letter in enumerate(_BASE36.upper())},
}


def base32(data: bytes) -> str:
    """Spell bytes in lower-case base 32 without padding and without the prefix letter."""
    letters = -(-len(data) * 8 // 5)
    even = letters + letters % 2
    number = int.from_bytes(data) << (even * 5 - len(data) * 8)
    pairs = [_BASE32_PAIRS[number >> shift & 1023] for shift in range(even * 5 - 10, -1, -10)]
    return "".join(pairs)[:letters]


def base58(data: bytes) -> str:
    """Spell bytes in base 58 (bitcoin) without the prefix letter."""
    number = int.from_bytes(data)
    letters = []
    while number:
        number, digit = divmod(number, 58)
        letters.append(_BASE58[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return _BASE58[0] * zeros + "".join(reversed(letters))


def decode_base58(text: str) -> bytes:
    """Read base 58 that has no prefix letter.

    Raises:
        InvalidMultibase: A letter is none of the alphabet.
    """
    return _decode_number(text, _NUMBERS["z"])


def decode(text: str) -> bytes:
    """Read text whose first letter names its base.

    Raises:
        InvalidMultibase: The base is not known, or the rest is no spelling in it.
    """
    prefix, digits = text[:1], text[1:]
    if prefix in _BITS:
        return _decode_bits(digits, *_BITS[prefix])
    if prefix in _NUMBERS:
        return _decode_number(digits, _NUMBERS[prefix])
    if prefix not in _RARE_PREFIXES:
        raise InvalidMultibase("the first letter names no known base")
    return _decode_by_multiformats(text)


def _decode_bits(digits: str, width: int, table: bytes) -> bytes:
    if not digits:
        return b""
    length, padding = divmod(len(digits) * width, 8)
    try:
        number = int(digits.encode("ascii").translate(table), 1 << width)
    except ValueError as error:
        raise InvalidMultibase("a letter does not belong to the base") from error
    if padding >= width or number & ((1 << padding) - 1):
        raise InvalidMultibase("the last letter holds bits that belong to no byte")
    return (number >> padding).to_bytes(length)


def _decode_number(digits: str, values: dict[str, int]) -> bytes:
    radix = len(values)
    number = 0
    try:
        for letter in digits:
            number = number * radix + values[letter]
    except KeyError as error:
        raise InvalidMultibase("a letter does not belong to the base") from error
    zero = next(iter(values))
    zeros = len(digits) - len(digits.lstrip(zero))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)


def _decode_by_multiformats(text: str) -> bytes:
    from multiformats import multibase  # noqa: PLC0415 -- 60 ms, for bases that are hardly met

    try:
        base = multibase.from_str(text)
        data = base.decode(text)
        canonical = base.encode(data) == text
    except Exception as error:
        raise InvalidMultibase(f"not a spelling in a known base ({error})") from error
    if not canonical:
        raise InvalidMultibase("not the one spelling of these bytes in this base")
    return data
