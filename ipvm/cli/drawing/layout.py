"""Decide where everything in a drawing goes: in layers, so that every edge leads down.

A vertex goes one layer below the lowest of those that import from it. An edge that passes layers on
its way has a waypoint in each of them, so that it runs between the boxes and not behind them; only
in a network with very many such edges they go straight. Within a layer, vertices and waypoints are
sorted by the middle of what they are connected to in the layers above and below, alternately, a few
times over, which keeps most edges short and most crossings away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ipvm.cli.drawing.network import Network

__all__ = ["BOX_WIDTH", "GAP", "Layout", "arranged"]

BOX_WIDTH: Final = 240
"""Width of a box in pixels."""
GAP: Final = 24
"""Pixels between two things in a layer. A waypoint itself has no width."""

_SWEEPS: Final = 6
_WAYPOINTS_MAX: Final = 20_000


@dataclass(frozen=True, slots=True)
class Layout:
    """What goes where.

    Attributes:
        depth: The layer of each vertex and waypoint. Waypoints are numbered behind the vertices.
        middle: How far right of the middle of the drawing each of them has its own, in pixels.
        routes: The waypoints of each edge, from top to bottom.
        width: Of the widest layer, in pixels.
    """

    depth: Sequence[int]
    middle: Sequence[float]
    routes: Sequence[Sequence[int]]
    width: float


def arranged(network: Network) -> Layout:
    """Arrange a network."""
    depth = _depths(network)
    boxes = len(depth)
    routes = _routes(network, depth)
    rows: list[list[int]] = [[] for _ in range(max(depth) + 1)]
    for item, row in enumerate(depth):
        rows[row].append(item)
    above: list[list[int]] = [[] for _ in depth]
    below: list[list[int]] = [[] for _ in depth]
    for edge, route in zip(network.edges, routes, strict=True):
        stops = [edge.importer, *route, edge.imported]
        for upper, lower in pairwise(stops):
            above[lower].append(upper)
            below[upper].append(lower)
    middle = [0.0] * len(depth)
    width = max(_place(row, boxes, middle) for row in rows)
    for sweep in range(_SWEEPS):
        _sort(rows, below if sweep % 2 else above, boxes, middle)
    return Layout(depth, middle, routes, width)


def _depths(network: Network) -> list[int]:
    depths = [0] * len(network.vertices)
    for importer, edges in enumerate(network.outgoing()):  # importers come before what they import
        for edge in edges:
            depths[edge.imported] = max(depths[edge.imported], depths[importer] + 1)
    return depths


def _routes(network: Network, depth: list[int]) -> list[range]:
    """Give the waypoints of each edge, and append their layers to those of the vertices."""
    passed = [range(depth[edge.importer] + 1, depth[edge.imported]) for edge in network.edges]
    if sum(map(len, passed)) > _WAYPOINTS_MAX:
        return [range(0) for _ in passed]
    routes = []
    for rows in passed:
        routes.append(range(len(depth), len(depth) + len(rows)))
        depth.extend(rows)
    return routes


def _sort(
    rows: Sequence[list[int]],
    neighbours: Sequence[Sequence[int]],
    boxes: int,
    middle: list[float],
) -> None:
    """Sort each layer by where the neighbours are; who has none stays about where it was."""
    for row in rows:
        wanted = {
            item: sum(middle[each] for each in near) / len(near) if near else middle[item]
            for item in row
            for near in (neighbours[item],)
        }
        row.sort(key=wanted.__getitem__)
        _place(row, boxes, middle)


def _place(row: Sequence[int], boxes: int, middle: list[float]) -> float:
    """Set where the middle of each item of a layer is, and give the width of the layer."""
    widths = [BOX_WIDTH if item < boxes else 0 for item in row]
    total = sum(widths) + GAP * (len(row) - 1)
    left = -total / 2
    for item, width in zip(row, widths, strict=True):
        middle[item] = left + width / 2
        left += width + GAP
    return total
