"""`ipvm relink`: make a manifest like another one, with some dependencies swapped."""

from functools import partial

import click

from ipvm.cli.options import Command
from ipvm.cli.session import Session, run
from ipvm.ipld import Cid

__all__ = ["relink"]


@click.command("relink", cls=Command)
@click.argument("root")
@click.argument("swaps", metavar="NAME=TARGET...", nargs=-1, required=True)
def relink(root: str, swaps: tuple[str, ...]) -> None:
    """Swap dependencies of a function and print the CID of what comes of it.

    ROOT stays as it is: what is printed names a new manifest, which imports NAME from TARGET and
    is the same otherwise. Both are a CID, ipfs://CID, or a path, which is published first.

    Let a function round in another way:
      $ ipvm relink examples/03-swap/tax rounding=examples/03-swap/down
      bafy…
    """
    named = [_swap(text) for text in swaps]
    if len(dict(named)) < len(named):
        raise click.UsageError("A name is given twice.")
    run(partial(_relink, root, dict(named)), doing="Linking")


def _swap(text: str) -> tuple[str, str]:
    # A CID has no equals sign, and the name of an import may.
    name, _, target = text.rpartition("=")
    if not name or not target:
        raise click.UsageError(f"{text!r} is not of the form NAME=TARGET, as in math=bafy…")
    return name, target


async def _relink(root: str, swaps: dict[str, str], session: Session) -> None:
    old = await session.resolve(root)
    links: dict[str, Cid | str] = {}
    for name, target in swaps.items():
        links[name] = await session.resolve(target)
    cid = await session.node.relink(old, links)
    for name, link in links.items():
        session.output.note(f"{name} is {link} now")
    if session.output.as_json:
        imports = {name: str(link) for name, link in links.items()}
        session.output.record("relink", {"cid": str(cid), "root": str(old), "imports": {**imports}})
    else:
        session.output.text(str(cid))
