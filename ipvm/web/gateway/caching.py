"""Say how long an answer may be kept, and whether who asks has it already."""

import hashlib
from typing import Final

from ipvm.web.gateway.asked import Asked
from ipvm.web.message import Answer

__all__ = ["FOR_A_WEEK", "FOR_EVER", "attached", "has_already", "tag_of", "unless_known"]

FOR_EVER: Final = ("Cache-Control", "public, max-age=29030400, immutable")
"""What a CID names does not change."""
FOR_A_WEEK: Final = (
    "Cache-Control",
    "public, max-age=604800, stale-while-revalidate=2678400",
)
"""How a page looks that is made here may change."""


def tag_of(*parts: str) -> str:
    """Give an entity tag for an answer that more than a CID decides."""
    name, *others = parts
    digest = hashlib.sha256("\0".join(others).encode()).hexdigest()[:16]
    return f'"{name}.{digest}"'


def has_already(asked: Asked, tag: str) -> bool:
    """Whether who asks says that they have what a tag stands for."""
    known = {each.strip().removeprefix("W/") for each in _listed(asked)}
    return bool(known & {tag.removeprefix("W/"), "*"})


def _listed(asked: Asked) -> list[str]:
    return asked.headers.get("if-none-match", "").split(",")


def unless_known(asked: Asked, tag: str, answer: Answer) -> Answer:
    """Give an answer with its tag, or say that it has not changed."""
    headers = (*answer.headers, ("Etag", tag))
    if has_already(asked, tag):
        return Answer(304, headers)
    return Answer(answer.status, headers, answer.body, answer.length)


def attached(name: str, *, kind: str = "attachment") -> tuple[str, str]:
    """Give the header by which a browser knows the name of a file.

    Args:
        name: The name, which may be anything.
        kind: `attachment`, or `inline` for what is shown.
    """
    plain = "".join(each if " " <= each <= "~" and each not in '"\\' else "_" for each in name)
    value = f'{kind}; filename="{plain}"'
    if plain != name:
        from urllib.parse import quote  # noqa: PLC0415 - few names need it

        value += f"; filename*=UTF-8''{quote(name, safe='')}"
    return "Content-Disposition", value
