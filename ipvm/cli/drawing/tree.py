"""Draw a network as a tree of text.

What comes up again is only referred to. A chain that goes too deep to be read goes on at the margin,
so that the drawing stays as narrow as a terminal and grows no faster than the network.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from ipvm.cli.drawing.network import Edge, Network, Vertex
from ipvm.cli.terminal import escaped

__all__ = ["tree_lines"]

_DEPTH_MAX: Final = 16


def tree_lines(network: Network) -> Iterator[str]:
    """Give the lines of the tree."""
    drawn: set[int] = set()
    margin = deque([0])
    outgoing = network.outgoing()
    while margin:
        start = margin.popleft()
        if start in drawn:
            continue
        yield from _subtree(network, outgoing, start, drawn, margin)


def _subtree(
    network: Network,
    outgoing: list[list[Edge]],
    start: int,
    drawn: set[int],
    margin: deque[int],
) -> Iterator[str]:
    """Draw what hangs on one vertex; what would go too deep is left for the margin."""
    drawn.add(start)
    yield from _vertex_lines(network.vertices[start], "", "", bool(outgoing[start]))
    ahead = [(edge, "", edge is outgoing[start][-1]) for edge in reversed(outgoing[start])]
    while ahead:
        edge, indent, is_last = ahead.pop()
        vertex, below = network.vertices[edge.imported], outgoing[edge.imported]
        head = f"{indent}{'└─ ' if is_last else '├─ '}{edge.label}: "
        inner = f"{indent}{'   ' if is_last else '│  '}"
        if edge.imported in drawn:
            yield f"{head}{vertex.cid} (above)"
        elif below and len(inner) >= _DEPTH_MAX * 3:
            margin.append(edge.imported)
            yield f"{head}{vertex.cid} (below)"
        else:
            drawn.add(edge.imported)
            yield from _vertex_lines(vertex, head, inner, bool(below))
            ahead += [(each, inner, each is below[-1]) for each in reversed(below)]


def _vertex_lines(vertex: Vertex, head: str, indent: str, has_more: bool) -> Iterator[str]:  # noqa: FBT001 - a part of the drawing like the others
    yield f"{head}{vertex.cid}"
    rest = f"{indent}{'│' if has_more else ' '}  "
    about = "; ".join(part for part in (vertex.summary, vertex.detail) if part)
    if about:
        yield f"{rest}{about}"
    for problem in vertex.problems:
        yield from (f"{rest}  {line}" for line in escaped(problem).splitlines())
