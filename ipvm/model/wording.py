"""Say what a value is, in the words of the spec rather than of Python.

Text that comes from outside is shown escaped and shortened, so that a hostile name can neither fill
nor rewrite the terminal on which the message ends up.
"""

from collections.abc import Iterable
from typing import Final

from ipvm.ipld import Cid
from ipvm.model.file import File

__all__ = ["listed", "noun", "printable", "quoted", "suggestion"]

_SHOWN_CHARACTERS_MAX: Final = 80
_NAMES_SHOWN_MAX: Final = 8

_NOUNS: Final[tuple[tuple[type, str], ...]] = (
    (type(None), "null"),
    (bool, "a boolean"),  # before int, which it is one of
    (int, "an integer"),
    (float, "a float"),
    (str, "a string"),
    (bytes, "bytes"),
    (Cid, "a link"),
    (File, "a file"),
    (list, "a list"),
    (dict, "a map"),
)


def quoted(text: str) -> str:
    """The text between double quotes: escaped where it is not printable, shortened where long."""
    shown = text[:_SHOWN_CHARACTERS_MAX]
    body = "".join(_escaped(character) for character in shown)
    return f'"{body}…"' if len(text) > len(shown) else f'"{body}"'


def listed(names: Iterable[str]) -> str:
    """The first few names, quoted, and how many more there are; `none` for none."""
    known = list(names)
    more = len(known) - _NAMES_SHOWN_MAX
    shown = ", ".join(quoted(name) for name in known[:_NAMES_SHOWN_MAX]) or "none"
    return f"{shown} and {more} more" if more > 0 else shown


def printable(text: str, *, keep: str = "") -> str:
    """The text, escaped where it is not printable, except for the characters to keep."""
    if text.isprintable():
        return text
    # Characters are looked at once, however often they stand in the text.
    odd = {each for each in set(text) if not (each.isprintable() or each in keep)}
    return text.translate({ord(each): _escape_sequence(each) for each in odd})


def noun(value: object) -> str:
    """What the value is: `a string`, `a link`, and the name of its class for a foreign one."""
    for kind, word in _NOUNS:
        if isinstance(value, kind):
            return word
    return f"an object of class {type(value).__name__}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """` (did you mean "code"?)` when a known name is close, else nothing."""
    # Longer text is no slip of the pen, and comparing it takes quadratic time.
    import difflib  # noqa: PLC0415 - for those who mistype

    near = difflib.get_close_matches(name[:_SHOWN_CHARACTERS_MAX], known, n=1)
    return f" (did you mean {quoted(near[0])}?)" if near else ""


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    return _escape_sequence(character)


def _escape_sequence(character: str) -> str:
    return character.encode("unicode_escape").decode()
