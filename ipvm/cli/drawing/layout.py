"""Decide where each vertex of a network goes: in layers, so that every edge leads down.

A vertex goes one layer below the lowest of those that import from it. Within a layer, vertices are
sorted by the middle of what they are connected to in the layers above and below, alternately, a few
times over, which keeps most edges short and most crossings away.
"""

from collections.abc import Sequence
from typing import Final

from ipvm.cli.drawing.network import Network

__all__ = ["layers"]

_SWEEPS: Final = 4


def layers(network: Network) -> list[list[int]]:
    """Give the vertices of each layer, from left to right; the first holds the root."""
    depths = _depths(network)
    found: list[list[int]] = [[] for _ in range(max(depths) + 1)]
    for vertex, depth in enumerate(depths):
        found[depth].append(vertex)
    above: list[list[int]] = [[] for _ in depths]
    below: list[list[int]] = [[] for _ in depths]
    for edge in network.edges:
        above[edge.imported].append(edge.importer)
        below[edge.importer].append(edge.imported)
    for sweep in range(_SWEEPS):
        _sort(found, below if sweep % 2 else above)
    return found


def _depths(network: Network) -> list[int]:
    depths = [0] * len(network.vertices)
    for importer, edges in enumerate(network.outgoing()):  # importers come before what they import
        for edge in edges:
            depths[edge.imported] = max(depths[edge.imported], depths[importer] + 1)
    return depths


def _sort(found: Sequence[list[int]], neighbours: Sequence[Sequence[int]]) -> None:
    """Sort each layer by where the neighbours are; who has none stays about where it was."""
    place = _places(found)
    for layer in found:
        middle = {
            vertex: _middle([place[each] for each in neighbours[vertex]] or [place[vertex]])
            for vertex in layer
        }
        layer.sort(key=middle.__getitem__)
        place.update(_places([layer]))


def _places(found: Sequence[Sequence[int]]) -> dict[int, float]:
    """Give how far right each vertex is, counted from the middle of its layer."""
    return {
        vertex: place - (len(layer) - 1) / 2
        for layer in found
        for place, vertex in enumerate(layer)
    }


def _middle(places: Sequence[float]) -> float:
    return sum(places) / len(places)
