"""`ipvm publish`: publish functions, print their CIDs."""

import os
from dataclasses import dataclass
from functools import partial

import click

from ipvm.cli.announcing import told_where
from ipvm.cli.functions import function_lines, function_records
from ipvm.cli.options import Command, current_settings
from ipvm.cli.sending import send_to_kubo
from ipvm.cli.session import Session, path_shown, run
from ipvm.cli.terminal import unicode_path
from ipvm.errors import NotFound
from ipvm.ipld import Value
from ipvm.registry import PathTarget, Published, parse_target

__all__ = ["publish"]


@click.command("publish", cls=Command)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--no-pin", is_flag=True, help="Let it be collected as garbage.")
@click.option(
    "--announce", is_flag=True, help="Let who serves this store tell others of it, and say where."
)
@click.option("--to", type=click.Choice(["kubo"]), help="Also give it to the Kubo of --kubo.")
def publish(paths: tuple[str, ...], *, no_pin: bool, announce: bool, to: str | None) -> None:
    """Publish functions and print their CIDs, one a line.

    PATH is a folder with an ipvm.toml, or a .wasm or .wat file. What the ipvm.toml names by a path
    is published first. Standard error tells what was published. What was published is pinned by the
    name of its path, instead of what was published from there before.

    With --announce, those who serve this store (`ipvm serve --dht`) tell others that they have it, as
    long as it is pinned; standard error tells what to type on another machine to call it.

    With --to kubo, what was published goes to a Kubo with all that it is linked to, which pins it,
    and announces it to its network. Without --kubo it is the one that runs here.

    Publish a function that imports another one:
      $ ipvm publish examples/02-link/poly
      bafy…

    Let others have it:
      $ ipvm publish examples/02-link/poly --announce
      $ ipvm serve
    """
    if announce and no_pin:
        raise click.UsageError(
            "What is announced must stay: --announce and --no-pin exclude another."
        )
    if to is not None and current_settings().offline:
        raise click.UsageError("--offline leaves Kubo alone, so nothing can be given to it.")
    named = [_path(text) for text in paths]
    wish = _Wish(pin=not no_pin, announce=announce, to_kubo=to is not None)
    run(partial(_publish, named, wish), doing="Publishing")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What is to come of what is published."""

    pin: bool
    announce: bool
    to_kubo: bool


def _path(text: str) -> str:
    target = parse_target(text, exists=os.path.exists)
    if isinstance(target, PathTarget):
        return target.path
    raise click.UsageError(f"{text} is a CID, so it is published; `./` before it makes it a path.")


async def _publish(paths: list[str], wish: _Wish, session: Session) -> None:
    output = session.output
    published = [await _publish_one(path, wish, session) for path in paths]
    records = [_record(path, each) for path, each in zip(paths, published, strict=True)]
    cids = [each.cid for each in published]
    answer: dict[str, Value] = {"published": [*records]}
    if wish.announce:
        answer["served"] = told_where([(each.cid, _function(each)) for each in published], output)
    if wish.to_kubo:
        for record, sent in zip(records, await send_to_kubo(paths, cids, session), strict=True):
            record["kubo"] = sent
    if output.as_json:
        output.record("publish", answer)


async def _publish_one(path: str, wish: _Wish, session: Session) -> Published:
    output = session.output
    published = await session.node.publication(path, pin=wish.pin, announce=wish.announce)
    session.note_published(path, published)
    for line in function_lines(published.survey.nodes[published.cid]):
        output.note(line)
    for problem in _missing(published):
        output.note(f"  not here yet: {problem}")
    if not output.as_json:
        output.text(str(published.cid))
    return published


def _function(published: Published) -> str:
    """Give the name of a function that can be called; nothing if there is none."""
    return next(iter(function_records(published.survey.nodes[published.cid])), "")


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
