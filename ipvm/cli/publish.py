"""`ipvm publish`: publish functions, print their CIDs."""

import os
from functools import partial

import click

from ipvm.cli.functions import function_lines, function_records
from ipvm.cli.options import Command
from ipvm.cli.session import Session, path_shown, run
from ipvm.cli.terminal import unicode_path
from ipvm.errors import NotFound
from ipvm.ipld import Value
from ipvm.registry import PathTarget, Published, parse_target

__all__ = ["publish"]


@click.command("publish", cls=Command)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--no-pin", is_flag=True, help="Let it be collected as garbage.")
def publish(paths: tuple[str, ...], *, no_pin: bool) -> None:
    """Publish functions and print their CIDs, one a line.

    PATH is a folder with an ipvm.toml, or a .wasm or .wat file. What the ipvm.toml names by a path
    is published first. Standard error tells what was published. What was published is pinned by the
    name of its path, instead of what was published from there before.

    Publish a function that imports another one:
      $ ipvm publish examples/02-link/poly
      bafy…
    """
    run(partial(_publish, [_path(text) for text in paths], pin=not no_pin), doing="Publishing")


def _path(text: str) -> str:
    target = parse_target(text, exists=os.path.exists)
    if isinstance(target, PathTarget):
        return target.path
    raise click.UsageError(f"{text} is a CID, so it is published; `./` before it makes it a path.")


async def _publish(paths: list[str], session: Session, *, pin: bool) -> None:
    output = session.output
    records: list[Value] = []
    for path in paths:
        published = await session.node.publication(path, pin=pin)
        session.note_published(path, published)
        for line in function_lines(published.survey.nodes[published.cid]):
            output.note(line)
        for problem in _missing(published):
            output.note(f"  not here yet: {problem}")
        records.append(_record(path, published))
        if not output.as_json:
            output.text(str(published.cid))
    if output.as_json:
        output.record("publish", {"published": records})


def _missing(published: Published) -> list[NotFound]:
    problems = (each for node in published.survey.nodes.values() for each in node.problems)
    return [each for each in problems if isinstance(each, NotFound)]


def _record(path: str, published: Published) -> dict[str, Value]:
    return {
        "path": unicode_path(path),
        "cid": str(published.cid),
        "functions": function_records(published.survey.nodes[published.cid]),
        "dependencies": {
            unicode_path(path_shown(other)): str(cid)
            for other, cid in published.dependencies.items()
        },
        "missing": [str(problem) for problem in _missing(published)],
    }
