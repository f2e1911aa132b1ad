"""Keep what comes from outside from playing tricks on the terminal.

Names, messages and results of functions are whatever their authors want, also sequences that move
the cursor, rewrite what stands above, or turn the direction of reading. Printable text passes; of
the rest, only line breaks and tabs do, and the others are shown as escapes.
"""

import contextlib
import os
import re
import sys
from os import PathLike
from typing import TextIO

__all__ = [
    "escaped",
    "indented",
    "is_terminal",
    "json_escaped",
    "plural",
    "say",
    "short",
    "unicode_path",
]

_UTF16_UNITS = re.compile("....")


def say(text: str = "") -> None:
    """Write a line to standard error. Where nobody can read it, nothing is lost."""
    if sys.stderr is not None:
        # Not by click, which would write into what rich draws there meanwhile.
        with contextlib.suppress(OSError):
            print(text, file=sys.stderr, flush=True)


def escaped(text: str) -> str:
    """Show characters that do not print as Python does in a literal, but keep lines and tabs."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text
    )


def json_escaped(text: str) -> str:
    """Escape characters of a JSON text that do not print, so that it means the same."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _unit_escapes(each) for each in text)


def _unit_escapes(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return _UTF16_UNITS.sub(r"\\u\g<0>", units)


def indented(text: str, by: str = "  ") -> str:
    """Set off all lines but the first, so that none of them passes for a line of ours."""
    return text.replace("\n", "\n" + by)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees what is written there."""
    return stream is not None and not stream.closed and stream.isatty()


def short(cid: object) -> str:
    """The ends of a CID, for a person who has seen all of it before."""
    text = str(cid)
    return f"{text[:8]}…{text[-6:]}"


def unicode_path(path: str | PathLike[str]) -> str:
    """A path as text that has an encoding: bytes in it that are no UTF-8 become escapes."""
    return os.fsencode(path).decode(errors="backslashreplace")


def plural(number: int, noun: str) -> str:
    """`1 block`, `2 blocks`, `12,345 bytes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
