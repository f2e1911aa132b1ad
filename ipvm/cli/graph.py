"""`ipvm graph`: draw the functions that a function is linked to."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import click

from ipvm.cli.drawing import Network, dot_lines, mermaid_lines, network_of, svg_lines, tree_lines
from ipvm.cli.options import Command
from ipvm.cli.session import Session, run
from ipvm.ipld import Value

__all__ = ["graph"]

_DRAWINGS: Final[Mapping[str, Callable[[Network], Iterator[str]]]] = MappingProxyType(
    {"tree": tree_lines, "dot": dot_lines, "mermaid": mermaid_lines, "svg": svg_lines}
)
_JSON: Final = "json"


@click.command("graph", cls=Command)
@click.argument("target")
@click.option(
    "--format",
    "style",
    type=click.Choice([*_DRAWINGS, _JSON]),
    default="tree",
    help="How to draw it; json is what --json gives.",
)
def graph(target: str, style: str) -> None:
    """Draw the functions that a function is linked to.

    What several of them import is drawn once, and referred to where it comes up again. A function
    that does not link is drawn too, with what is wrong beside it; the exit code is that of the
    first problem then.

    Look at a diamond, on the terminal and in a picture:
      $ ipvm graph examples/04-diamond/top
      $ ipvm graph examples/04-diamond/top --format svg > diamond.svg
    """
    run(partial(_graph, target, style), doing="Gathering")


async def _graph(target: str, style: str, session: Session) -> int:
    survey = await session.node.survey(await session.resolve(target))
    network = network_of(survey)
    if session.output.as_json or style == _JSON:
        session.output.record("graph", _record(network))
    else:
        session.output.text("\n".join(_DRAWINGS[style](network)))
    return 0 if survey.problem is None else survey.problem.exit_code


def _record(network: Network) -> dict[str, Value]:
    return {
        "root": network.vertices[0].cid,
        "nodes": [
            {
                "cid": vertex.cid,
                "code_bytes": vertex.code_bytes,
                "functions": [*vertex.functions],
                "host": [*vertex.host_modules],
                "problems": [*vertex.problems],
            }
            for vertex in network.vertices
        ],
        "edges": [
            {
                "from": network.vertices[edge.importer].cid,
                "to": network.vertices[edge.imported].cid,
                "names": [*edge.names],
            }
            for edge in network.edges
        ],
    }
