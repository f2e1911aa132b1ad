"""Draw a network as SVG, with nothing but text: no graphviz, no fonts, no scripts."""

from collections.abc import Iterator
from html import escape
from typing import Final, NamedTuple

from ipvm.cli.drawing.layout import layers
from ipvm.cli.drawing.network import Edge, Network, Vertex
from ipvm.cli.terminal import escaped

__all__ = ["svg_lines"]

_BOX_WIDTH: Final = 240
_BOX_HEIGHT: Final = 64
_GAP_ACROSS: Final = 24
_GAP_DOWN: Final = 72
_MARGIN: Final = 16
_LINE: Final = 18

_STYLE: Final = (
    "text{font:13px monospace;text-anchor:middle;fill:#1a1a1a}"
    "rect{fill:#fff;stroke:#5a6b7b}.problem rect{stroke:#c00}"
    "path{fill:none;stroke:#8a9aa8}.name{font-size:11px;fill:#46586a}"
    ".name,.title{paint-order:stroke;stroke:#fff;stroke-width:3px}"
)


class _Place(NamedTuple):
    """The upper left corner of a box."""

    x: float
    y: float


def svg_lines(network: Network) -> Iterator[str]:
    """Give the lines of the drawing."""
    arranged = layers(network)
    width = _extent(max(len(layer) for layer in arranged), _BOX_WIDTH, _GAP_ACROSS)
    height = _extent(len(arranged), _BOX_HEIGHT, _GAP_DOWN)
    places = _places(arranged, width)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">'
    )
    yield f"<style>{_STYLE}</style>"
    yield f'<rect width="{width}" height="{height}" style="stroke:none"/>'
    for edge in network.edges:
        yield _curve(places[edge.importer], places[edge.imported])
    for number, vertex in enumerate(network.vertices):
        yield from _box(vertex, places[number])
    for edge in network.edges:
        yield _name(edge, places)
    yield "</svg>"


def _extent(count: int, size: int, gap: int) -> int:
    return count * size + (count - 1) * gap + 2 * _MARGIN


def _places(arranged: list[list[int]], width: int) -> dict[int, _Place]:
    places = {}
    for depth, layer in enumerate(arranged):
        left = (width - _extent(len(layer), _BOX_WIDTH, _GAP_ACROSS)) / 2 + _MARGIN
        for position, vertex in enumerate(layer):
            x = left + position * (_BOX_WIDTH + _GAP_ACROSS)
            places[vertex] = _Place(x, _MARGIN + depth * (_BOX_HEIGHT + _GAP_DOWN))
    return places


def _curve(importer: _Place, imported: _Place) -> str:
    x, y = importer.x + _BOX_WIDTH / 2, importer.y + _BOX_HEIGHT
    end = imported.x + _BOX_WIDTH / 2
    bend = _GAP_DOWN / 2
    return f'<path d="M{x:g} {y:g}C{x:g} {y + bend:g} {end:g} {imported.y - bend:g} {end:g} {imported.y:g}"/>'


def _name(edge: Edge, places: dict[int, _Place]) -> str:
    """Write the names of an edge above what it leads to, a little towards where it comes from."""
    importer, imported = places[edge.importer], places[edge.imported]
    towards = (importer.x - imported.x) * _GAP_DOWN / (imported.y - importer.y) / 3
    x, y = imported.x + _BOX_WIDTH / 2 + towards, imported.y - _GAP_DOWN / 4
    return f'<text class="name" x="{x:g}" y="{y:g}">{escape(edge.label)}</text>'


def _box(vertex: Vertex, place: _Place) -> Iterator[str]:
    kind = ' class="problem"' if vertex.problems else ""
    about = "\n".join([vertex.cid, *vertex.functions, *vertex.problems])
    yield f"<g{kind}><title>{escape(escaped(about))}</title>"
    yield (
        f'<rect x="{place.x:g}" y="{place.y:g}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="6"/>'
    )
    for number, line in enumerate((vertex.title, vertex.summary, vertex.detail), 1):
        x, y = place.x + _BOX_WIDTH / 2, place.y + number * _LINE
        yield f'<text x="{x:g}" y="{y:g}">{escape(line)}</text>'
    yield "</g>"
