"""Read what a person typed to name a function: a CID or a path.

Text that can be read as a CID is one, whatever lies in the working directory, so that no file can
stand in for content; `./` before it makes it a path. The file system is asked through a function,
and only whether something exists.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, TypeAlias

from ipvm import limits
from ipvm.errors import InvalidData
from ipvm.ipld import Cid, InvalidCid
from ipvm.model.wording import quoted

__all__ = [
    "CODE_SUFFIXES",
    "DESCRIPTION_NAME",
    "CidTarget",
    "InvalidTarget",
    "PathTarget",
    "Target",
    "parse_target",
]

DESCRIPTION_NAME: Final = "ipvm.toml"
"""The file that makes a folder the description of a function."""

CODE_SUFFIXES: Final = (".wasm", ".wat")
"""Names of files that hold a module end like this."""

_SCHEMES: Final = ("ipfs://", "/ipfs/")


class InvalidTarget(InvalidData):
    """The text names no function: it is not a CID, and no such path is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CidTarget:
    """A function that is published: a manifest, or code."""

    cid: Cid


@dataclass(frozen=True, slots=True, kw_only=True)
class PathTarget:
    """A function on the disk: a folder with an `ipvm.toml`, or a file of code."""

    path: str


Target: TypeAlias = CidTarget | PathTarget


def parse_target(text: str, *, exists: Callable[[str], bool]) -> Target:
    """Read a CID, `ipfs://CID`, `/ipfs/CID` or a path.

    Args:
        text: As a person typed it.
        exists: Whether there is a file or folder at a path.

    Raises:
        InvalidTarget: The text is none of these; the message says what was tried.
    """
    size = len(text.encode(errors="surrogatepass"))
    if not text or "\0" in text or size > limits.TARGET_BYTES_MAX:
        problem = f"1 to {limits.TARGET_BYTES_MAX} bytes of text without NUL name a function"
        raise InvalidTarget(f"{quoted(text)}: {problem}, got {size}")
    for scheme in _SCHEMES:
        if text.startswith(scheme):
            return _under_scheme(text, scheme)
    try:
        return CidTarget(cid=Cid.parse(text))
    except InvalidCid as error:
        return _on_disk(text, exists, not_a_cid=error)


def _under_scheme(text: str, scheme: str) -> CidTarget:
    content = text.removeprefix(scheme).removesuffix("/")
    if "/" in content:
        raise InvalidTarget(f"{quoted(text)}: names a file in a folder; give the CID of the file")
    try:
        return CidTarget(cid=Cid.parse(content))
    except InvalidCid as error:
        reason = _reason(error)
        raise InvalidTarget(f"{quoted(text)}: not a CID after {scheme}: {reason}") from error


def _on_disk(text: str, exists: Callable[[str], bool], *, not_a_cid: InvalidCid) -> PathTarget:
    path = PurePath(text)
    if exists(str(path / DESCRIPTION_NAME)):
        return PathTarget(path=text)
    if not exists(text):
        reason = _reason(not_a_cid)
        problem = f"no such path, and not a CID: {reason}"
        raise InvalidTarget(f"{quoted(text)}: {problem}") from not_a_cid
    if path.name == DESCRIPTION_NAME:
        return PathTarget(path=str(path.parent))
    if path.suffix in CODE_SUFFIXES:
        return PathTarget(path=text)
    suffixes = " or ".join(CODE_SUFFIXES)
    problem = f"neither a folder with an {DESCRIPTION_NAME} nor a file that ends in {suffixes}"
    raise InvalidTarget(f"{quoted(text)}: {problem}")


def _reason(error: InvalidCid) -> BaseException:
    """Why text is no CID, without the text, which the message shows already."""
    return error.__cause__ or error
