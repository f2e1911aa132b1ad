"""Follow a path through values: keys, list items, and links into other blocks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ipvm.errors import InvalidData, NotFound
from ipvm.exchange import BlockService
from ipvm.ipld import Cid, InvalidCid, Value
from ipvm.limits import TARGET_BYTES_MAX

__all__ = ["DagPath", "Place", "follow", "parse_path"]

_SCHEMES: Final = ("ipfs://", "/ipfs/")
_ITEM: Final = re.compile("0|[1-9][0-9]{0,8}")
_NAMES_SHOWN_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class DagPath:
    """Where to start, which steps to take, and whether to follow a link at the end."""

    root: Cid
    steps: tuple[str, ...]
    through_link: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A value, and the block that it stands in."""

    cid: Cid
    value: Value


def parse_path(text: str) -> DagPath:
    """Read `CID/a/0/b`, also behind `ipfs://` or `/ipfs/`.

    Raises:
        InvalidData: It does not begin with a CID, has an empty step, or is too long.
    """
    if len(text) > TARGET_BYTES_MAX:
        raise InvalidData(f"a path has at most {TARGET_BYTES_MAX} letters, not {len(text)}")
    scheme = next((each for each in _SCHEMES if text.startswith(each)), "")
    root, slash, rest = text.removeprefix(scheme).partition("/")
    steps = rest.removesuffix("/").split("/") if rest else []
    if "" in steps:
        raise InvalidData(f'the path "{text}" has a step without a name')
    try:
        cid = Cid.parse(root)
    except InvalidCid as error:
        raise InvalidData(f"a path begins with a CID, as in bafy…/a/0: {error}") from error
    return DagPath(cid, tuple(steps), bool(slash) and text.endswith("/"))


async def follow(path: DagPath, blocks: BlockService) -> Place:
    """Give what a path leads to.

    Raises:
        NotFound: There is no such key or item; or a block on the way cannot be had.
        InvalidData: A block on the way is not what its codec says.
    """
    cid = path.root
    value = (await blocks.get(cid)).decode()
    for number, step in enumerate(path.steps):
        if isinstance(value, Cid):
            cid = value
            value = (await blocks.get(cid)).decode()
        value = _step(value, step, "/".join([str(path.root), *path.steps[:number]]))
    if path.through_link and isinstance(value, Cid):
        cid = value
        value = (await blocks.get(cid)).decode()
    return Place(cid, value)


def _step(value: Value, step: str, path: str) -> Value:
    if isinstance(value, dict):
        if step not in value:
            raise NotFound(f'no "{step}" in {path}; it has {_listed([*value])}')
        return value[step]
    if isinstance(value, list):
        if not _ITEM.fullmatch(step) or int(step) >= len(value):
            raise NotFound(f'no item "{step}" in {path}; it is a list of {len(value)}')
        return value[int(step)]
    raise NotFound(f'no "{step}" in {path}, which is neither a map nor a list')


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:_NAMES_SHOWN_MAX]) or "nothing"
    more = len(names) - _NAMES_SHOWN_MAX
    return f"{shown} and {more} more" if more > 0 else shown
