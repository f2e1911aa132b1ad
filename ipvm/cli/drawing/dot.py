"""Draw a network in the language of graphviz."""

from collections.abc import Iterator

from ipvm.cli.drawing.network import Network, Vertex

__all__ = ["dot_lines"]


def dot_lines(network: Network) -> Iterator[str]:
    """Give the lines of the drawing."""
    yield "digraph ipvm {"
    yield '  node [shape=box, fontname="monospace"];'
    yield '  edge [fontname="monospace"];'
    for number, vertex in enumerate(network.vertices):
        color = ", color=red" if vertex.problems else ""
        label, tooltip = _label(vertex), _quoted(vertex.cid)
        yield f'  n{number} [label="{label}", tooltip="{tooltip}"{color}];'
    for edge in network.edges:
        yield f'  n{edge.importer} -> n{edge.imported} [label="{_quoted(edge.label)}"];'
    yield "}"


def _label(vertex: Vertex) -> str:
    return r"\n".join(
        _quoted(part) for part in (vertex.title, vertex.summary, vertex.detail) if part
    )


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
