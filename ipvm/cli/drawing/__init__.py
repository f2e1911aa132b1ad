"""Draw the network of a program's functions: as a tree of text, for graphviz, for mermaid, as SVG.

Networks of thousands of functions, also in one long chain, are drawn in time and space that grow
with their size: nothing here calls itself.
"""

from ipvm.cli.drawing.dot import dot_lines
from ipvm.cli.drawing.mermaid import mermaid_lines
from ipvm.cli.drawing.network import Edge, Network, Vertex, network_of
from ipvm.cli.drawing.svg import svg_lines
from ipvm.cli.drawing.tree import tree_lines

__all__ = [
    "Edge",
    "Network",
    "Vertex",
    "dot_lines",
    "mermaid_lines",
    "network_of",
    "svg_lines",
    "tree_lines",
]
