"""Follow paths from a root through folders, shards, symlinks and values, to what they name.

A path is a CID and, behind it, names of entries, or keys and numbers in DAG-CBOR and DAG-JSON. It
goes down only. A symlink on the way is followed where it stays in the tree of the root: what is
above the root, or absolute, has no meaning there.
"""

import re
from collections import deque
from dataclasses import dataclass
from typing import Final

from ipvm.errors import InvalidData, LimitExceeded, NotFound
from ipvm.files.decoding import (
    FileNode,
    FolderNode,
    InvalidNode,
    Node,
    ShardNode,
    SymlinkNode,
    ValueNode,
)
from ipvm.files.listing import lookup
from ipvm.files.source import Nodes
from ipvm.ipld import Cid, InvalidCid, InvalidEncoding, Value
from ipvm.limits import SYMLINKS_FOLLOWED_MAX, TARGET_BYTES_MAX

__all__ = [
    "Place",
    "SymlinkLeavesTree",
    "TreePath",
    "child",
    "parse_tree_path",
    "place_of",
    "placed",
    "resolve",
]

_SCHEMES: Final = ("ipfs://", "/ipfs/")
_ITEM: Final = re.compile("0|[1-9][0-9]{0,8}")
_UP: Final = ".."


class SymlinkLeavesTree(NotFound):
    """A symlink leads to something above the root, or to an absolute path: nothing is there."""


@dataclass(frozen=True, slots=True)
class TreePath:
    """A root, and the steps down from it."""

    root: Cid
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join([str(self.root), *self.steps])


@dataclass(frozen=True, slots=True)
class Place:
    """What a path leads to.

    Attributes:
        path: The path, with symlinks and links followed.
        node: The node there; for a part of a value, the block that has it.
        value: The value there, if the node is one of values.
    """

    path: str
    node: Node
    value: Value = None


def parse_tree_path(text: str) -> TreePath:
    """Read `CID/a/b`, also behind `ipfs://` or `/ipfs/`; a slash at the end says nothing.

    Raises:
        InvalidData: It does not begin with a CID, has an empty step, `.` or `..`, or is too long.
    """
    if len(text) > TARGET_BYTES_MAX:
        raise InvalidData(f"a path has at most {TARGET_BYTES_MAX} letters, not {len(text)}")
    scheme = next((each for each in _SCHEMES if text.startswith(each)), "")
    root, _, rest = text.removeprefix(scheme).partition("/")
    steps = tuple(rest.removesuffix("/").split("/")) if rest else ()
    if {"", ".", _UP} & set(steps):
        raise InvalidData(f"the path {text!a} has a step that is empty, . or ..")
    try:
        return TreePath(Cid.parse(root), steps)
    except InvalidCid as error:
        raise InvalidData(f"a path begins with a CID, as in bafy…/a/b: {error}") from error


async def resolve(nodes: Nodes, path: TreePath, *, follow: bool = True) -> Place:
    """Give what a path leads to.

    Args:
        nodes: Where nodes come from.
        path: The path.
        follow: Whether a symlink or a link at the end is followed, as those on the way are.

    Raises:
        NotFound, Unavailable: There is no such name, or a block on the way cannot be had.
        InvalidData: A block on the way is not what it should be.
        LimitExceeded: There are too many symlinks on the way.
    """
    way = [await place_of(nodes, path.root, str(path.root))]
    ahead = deque(path.steps)
    followed = 0
    while True:
        place = way[-1]
        if isinstance(place.node, SymlinkNode) and (ahead or follow):
            followed += 1
            if followed > SYMLINKS_FOLLOWED_MAX:
                raise LimitExceeded("SYMLINKS_FOLLOWED_MAX", SYMLINKS_FOLLOWED_MAX)
            ahead.extendleft(reversed(_target_steps(place, place.node)))
            way.pop()
        elif isinstance(place.value, Cid) and (ahead or follow):
            way[-1] = await place_of(nodes, place.value, place.path)
        elif not ahead:
            return place
        elif ahead[0] == _UP:
            ahead.popleft()
            way.pop()
        else:
            way.append(await _below(nodes, place, ahead.popleft()))
        if not way:
            raise SymlinkLeavesTree(f"a symlink on the path {path} leads out of {path.root}")


async def child(nodes: Nodes, folder: Place, name: str) -> Place | None:
    """Give what a name in a folder leads to, or None if it is not there.

    Raises:
        NodeNotFound, Unavailable, InvalidNode: A block cannot be had, or it is no folder.
    """
    if not isinstance(folder.node, FolderNode | ShardNode):
        raise InvalidNode(f"{folder.path} is no folder")
    entry = await lookup(nodes, folder.node, name, folder.path)
    return None if entry is None else await place_of(nodes, entry.cid, f"{folder.path}/{name}")


async def _below(nodes: Nodes, place: Place, step: str) -> Place:
    if isinstance(place.node, FileNode):
        raise NotFound(f"no {step!a} in {place.path}, which is a file")
    if isinstance(place.node, ValueNode):
        value = _part(place.value, step, place.path)
        return Place(f"{place.path}/{step}", place.node, value)
    found = await child(nodes, place, step)
    if found is None:
        raise NotFound(f"no {step!a} in {place.path}")
    return found


async def place_of(nodes: Nodes, cid: Cid, path: str) -> Place:
    """Give what a CID names.

    Raises:
        NodeNotFound, Unavailable, InvalidNode: It cannot be had, or is no node.
    """
    return placed(await nodes.get(cid, path), path)


def placed(node: Node, path: str) -> Place:
    """Give a node with its path, and its value if it is one of values.

    Raises:
        InvalidNode: It has none.
    """
    if not isinstance(node, ValueNode):
        return Place(path, node)
    try:
        return Place(path, node, node.block.decode())
    except InvalidEncoding as error:
        raise InvalidNode(f"{path}: {node.cid} is {error}") from error


def _part(value: Value, step: str, path: str) -> Value:
    if isinstance(value, dict) and step in value:
        return value[step]
    if isinstance(value, list) and _ITEM.fullmatch(step) and int(step) < len(value):
        return value[int(step)]
    raise NotFound(f"no {step!a} in {path}")


def _target_steps(place: Place, link: SymlinkNode) -> list[str]:
    try:
        target = link.target.decode()
    except UnicodeDecodeError as error:
        raise InvalidNode(f"{place.path}: the target of the symlink is no UTF-8") from error
    if target.startswith("/"):
        raise SymlinkLeavesTree(f"{place.path} is a symlink to the absolute path {target!a}")
    return [step for step in target.split("/") if step not in {"", "."}]
