"""What is to be drawn of a program: its instances, and which imports from which."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ipvm.cli.functions import signatures
from ipvm.cli.terminal import escaped, plural, short
from ipvm.host import HOST_MODULES
from ipvm.ipld import Cid
from ipvm.linker import Survey, SurveyNode

__all__ = ["Edge", "Network", "Vertex", "network_of"]

_LETTERS_MAX: Final = 26
"""Letters that fit into a box, with a few to spare."""
_EDGE_LETTERS_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Vertex:
    """One instance.

    Attributes:
        cid: Of its manifest, or of its code where it has none.
        functions: Names of the functions that a caller can call.
        host_modules: Names of the host's modules that it imports from.
        code_bytes: Size of its code; None where that is not here.
        problems: What is wrong with it.
    """

    cid: str
    functions: tuple[str, ...]
    host_modules: tuple[str, ...]
    code_bytes: int | None
    problems: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its CID, short."""
        return short(self.cid)

    @property
    def summary(self) -> str:
        """Its functions, as many as fit."""
        return shortened(self.functions)

    @property
    def detail(self) -> str:
        """Its size and the modules of the host that it uses, or what is wrong."""
        if self.problems:
            return plural(len(self.problems), "problem")
        size = () if self.code_bytes is None else (plural(self.code_bytes, "byte"),)
        return ", ".join([*size, *self.host_modules])


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One instance imports from another.

    Attributes:
        importer: Place of the one in the vertices.
        imported: Place of the other.
        names: The names by which it does.
    """

    importer: int
    imported: int
    names: tuple[str, ...]

    @property
    def label(self) -> str:
        """Its names, as many as fit."""
        return shortened(self.names, _EDGE_LETTERS_MAX)


@dataclass(frozen=True, slots=True)
class Network:
    """All instances, each before those that it imports from, and what connects them."""

    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]

    def outgoing(self) -> list[list[Edge]]:
        """Give the edges of each vertex to what it imports from."""
        found: list[list[Edge]] = [[] for _ in self.vertices]
        for edge in self.edges:
            found[edge.importer].append(edge)
        return found


def network_of(survey: Survey) -> Network:
    """Give the network of a program, whether it links or not. The root comes first."""
    nodes = list(survey.nodes.values())[::-1]
    places = {node.cid: place for place, node in enumerate(nodes)}
    edges = (edge for node in nodes for edge in _edges(node, places))
    return Network(tuple(_vertex(node) for node in nodes), tuple(edges))


def _vertex(node: SurveyNode) -> Vertex:
    imported = () if node.info is None else (each.module for each in node.info.imports)
    return Vertex(
        cid=str(node.cid),
        functions=tuple(signatures(node)),
        host_modules=tuple(sorted(HOST_MODULES.intersection(imported))),
        code_bytes=None if node.info is None else node.info.size,
        problems=tuple(str(problem) for problem in node.problems),
    )


def _edges(node: SurveyNode, places: Mapping[Cid, int]) -> list[Edge]:
    names: dict[Cid, list[str]] = {}
    for name, cid in node.dependencies.items():
        names.setdefault(cid, []).append(name)
    return [
        Edge(importer=places[node.cid], imported=places[cid], names=tuple(each))
        for cid, each in names.items()
    ]


def shortened(names: tuple[str, ...], letters_max: int = _LETTERS_MAX) -> str:
    """Give names on one line that is not long, escaped: as many as fit, and the number of others."""
    line, shown = "", 0
    for name in names:
        longer = f"{line}, {_one_line(name)}" if line else _one_line(name)
        if len(longer) > letters_max and shown:
            break
        line, shown = longer, shown + 1
    if len(line) > letters_max:
        line = f"{line[: letters_max - 1]}…"
    return f"{line} +{len(names) - shown}" if shown < len(names) else line


def _one_line(name: str) -> str:
    return escaped(name).replace("\n", "\\n").replace("\t", "\\t")
