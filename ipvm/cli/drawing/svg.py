"""Draw a network as SVG, with nothing but text: no graphviz, no fonts, no scripts."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, NamedTuple

from ipvm.cli.drawing.layout import BOX_WIDTH, Layout, arranged
from ipvm.cli.drawing.network import Edge, Network, Vertex
from ipvm.cli.terminal import escaped

__all__ = ["svg_lines"]

_BOX_HEIGHT: Final = 64
_GAP_DOWN: Final = 72
_MARGIN: Final = 16
_LINE: Final = 18
_LETTER_WIDTH: Final = 7
_NAME_HEIGHT: Final = 16

_STYLE: Final = (
    "text{font:13px monospace;text-anchor:middle;fill:#1a1a1a}"
    ".name{font-size:11px;fill:#46586a}"
    "rect{fill:#fff}.box rect{stroke:#5a6b7b}.problem rect{stroke:#c00}"
    "path{fill:none;stroke:#8a9aa8}"
)


class _Point(NamedTuple):
    x: float
    y: float


def svg_lines(network: Network) -> Iterator[str]:
    """Give the lines of the drawing."""
    layout = arranged(network)
    width = layout.width + 2 * _MARGIN
    height = _top(max(layout.depth)) + _BOX_HEIGHT + _MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height}" '
        f'viewBox="{-width / 2:g} 0 {width:g} {height}">'
    )
    yield f"<style>{_STYLE}</style>"
    yield f'<rect x="{-width / 2:g}" width="{width:g}" height="{height}"/>'
    for edge, route in zip(network.edges, layout.routes, strict=True):
        yield f'<path d="{_line(edge, route, layout)}"/>'
    for edge, route in zip(network.edges, layout.routes, strict=True):
        yield _name(edge, route, layout)
    for number, vertex in enumerate(network.vertices):
        yield from _box(vertex, _Point(layout.middle[number], _top(layout.depth[number])))
    yield "</svg>"


def _top(depth: int) -> int:
    return _MARGIN + depth * (_BOX_HEIGHT + _GAP_DOWN)


def _line(edge: Edge, route: Sequence[int], layout: Layout) -> str:
    """Curve from layer to layer, and go straight through those on the way."""
    drawn, start = [], _Point(0, 0)
    for number, item in enumerate([edge.importer, *route, edge.imported]):
        end = _Point(layout.middle[item], _top(layout.depth[item]))
        if number:
            bend = (end.y - start.y) / 2
            drawn.append(f"C{start.x:g} {start.y + bend:g} {end.x:g} {end.y - bend:g}")
            drawn.append(f"{end.x:g} {end.y:g}")
        start = _Point(end.x, end.y + _BOX_HEIGHT)
        if item != edge.imported:
            drawn.append(f"{'L' if number else 'M'}{start.x:g} {start.y:g}")
    return " ".join(drawn)


def _name(edge: Edge, route: Sequence[int], layout: Layout) -> str:
    """Write the names of an edge half-way between the last two layers on its way."""
    last = [edge.importer, *route][-1]
    x = (layout.middle[last] + layout.middle[edge.imported]) / 2
    y = (_top(layout.depth[last]) + _BOX_HEIGHT + _top(layout.depth[edge.imported])) / 2
    width = _LETTER_WIDTH * len(edge.label)
    return (
        f'<rect x="{x - width / 2:g}" y="{y - _NAME_HEIGHT / 2:g}" width="{width}" '
        f'height="{_NAME_HEIGHT}"/>'
        f'<text class="name" x="{x:g}" y="{y + 4:g}">{escape(edge.label)}</text>'
    )


def _box(vertex: Vertex, top: _Point) -> Iterator[str]:
    kind = "box problem" if vertex.problems else "box"
    about = "\n".join([vertex.cid, *vertex.functions, *vertex.problems])
    yield f'<g class="{kind}"><title>{escape(escaped(about))}</title>'
    yield (
        f'<rect x="{top.x - BOX_WIDTH / 2:g}" y="{top.y:g}" width="{BOX_WIDTH}" '
        f'height="{_BOX_HEIGHT}" rx="6"/>'
    )
    for number, line in enumerate((vertex.title, vertex.summary, vertex.detail), 1):
        yield f'<text x="{top.x:g}" y="{top.y + number * _LINE:g}">{escape(line)}</text>'
    yield "</g>"
