"""Draw a network in the language of mermaid, which many forges show in Markdown."""

from collections.abc import Iterator
from typing import Final

from ipvm.cli.drawing.network import Network, Vertex

__all__ = ["mermaid_lines"]

_ENTITIES: Final = str.maketrans({each: f"#{ord(each)};" for each in '"#&<>`\\'})


def mermaid_lines(network: Network) -> Iterator[str]:
    """Give the lines of the drawing."""
    yield "flowchart TD"
    for number, vertex in enumerate(network.vertices):
        yield f'  n{number}["{_label(vertex)}"]'
    for edge in network.edges:
        yield f'  n{edge.importer} -->|"{_quoted(edge.label)}"| n{edge.imported}'
    if any(vertex.problems for vertex in network.vertices):
        yield "  classDef problem stroke:red"
    for number, vertex in enumerate(network.vertices):
        if vertex.problems:
            yield f"  class n{number} problem"


def _label(vertex: Vertex) -> str:
    parts = (vertex.title, vertex.summary, vertex.detail)
    return "<br/>".join(_quoted(part) for part in parts if part)


def _quoted(text: str) -> str:
    return text.translate(_ENTITIES)
