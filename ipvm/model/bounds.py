"""Hold a record to its bounds, whoever made it.

The bounds of the spec count bytes of UTF-8 and hold for records built in Python as well; those of
msgspec count characters and are looked at only when it converts. So records check themselves.
"""

from collections.abc import Mapping

import msgspec

from ipvm import limits
from ipvm.model.conversion import InvalidRecord
from ipvm.model.wording import quoted

__all__ = ["require_count", "require_integer", "require_names", "require_text"]


def require_text(record: msgspec.Struct, path: str, text: str | None, *, bytes_max: int) -> None:
    """Refuse text that is too long or that UTF-8 cannot hold."""
    problem = None if text is None else _text_problem(text, bytes_max)
    if problem:
        raise InvalidRecord(_name(record), path, problem)


def require_count(record: msgspec.Struct, path: str, found: int, *, maximum: int) -> None:
    """Refuse a list or map with too many entries."""
    if found > maximum:
        problem = f"{found} entries, and at most {maximum} are allowed"
        raise InvalidRecord(_name(record), path, problem)


def require_names(record: msgspec.Struct, path: str, named: Mapping[str, object]) -> None:
    """Refuse a map with too many entries or with a key that is no name."""
    require_count(record, path, len(named), maximum=limits.RECORD_ENTRIES_MAX)
    for name in named:
        if problem := _text_problem(name, limits.NAME_BYTES_MAX):
            raise InvalidRecord(_name(record), f"{path}[{quoted(name)}]", f"the name is {problem}")


def require_integer(record: msgspec.Struct, path: str, number: int | None, *, minimum: int) -> None:
    """Refuse an amount that is too small or that 63 bits cannot hold."""
    if number is not None and not minimum <= number <= limits.RECORD_INTEGER_MAX:
        problem = f"expected an integer from {minimum} to {limits.RECORD_INTEGER_MAX}"
        raise InvalidRecord(_name(record), path, problem)


def _text_problem(text: str, bytes_max: int) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "not Unicode text: it holds half of a surrogate pair"
    return f"{size} bytes long, and at most {bytes_max} are allowed" if size > bytes_max else ""


def _name(record: msgspec.Struct) -> str:
    return type(record).__name__.lower()
