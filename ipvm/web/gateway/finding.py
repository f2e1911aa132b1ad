"""Follow a path to what an answer is about, and note the blocks on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from ipvm.errors import NotFound
from ipvm.files import Node, Nodes, Place, TreePath, resolve
from ipvm.files.resolving import place_of
from ipvm.ipld import Cid

__all__ = ["Found", "find"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a path leads to.

    Attributes:
        place: The place.
        way: The blocks that were read on the way, in order, that of the place last.
        roots: The first block of each step of the path, as many as have one.
    """

    place: Place
    way: Sequence[Cid]
    roots: Sequence[Cid]

    @property
    def cid(self) -> Cid:
        """The block of the place."""
        return self.place.node.cid


async def find(nodes: Nodes, path: TreePath) -> Found:
    """Follow a path; a symlink at its end stays one.

    Args:
        nodes: Where nodes come from.
        path: The path.

    Raises:
        NotFound: It leads nowhere, or into a block and not to one.
        IpvmError: What is on the way cannot be had, or is not what it should be.
    """
    noting = _Noting(nodes)
    place = await resolve(noting, path, follow=False)
    if isinstance(place.value, Cid):
        place = await place_of(noting, place.value, place.path)
    elif place.path not in noting.roots:
        raise NotFound(f"{path} leads to a part of a block, and not to one")
    return Found(place=place, way=noting.way, roots=list(noting.roots.values()))


@final
class _Noting:
    """Nodes, and which were asked for."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self.way: list[Cid] = []
        self.roots: dict[str, Cid] = {}

    async def get(self, cid: Cid, path: str) -> Node:
        node = await self._nodes.get(cid, path)
        self.way.append(cid)
        self.roots.setdefault(path, cid)
        return node
