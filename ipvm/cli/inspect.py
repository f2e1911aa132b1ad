"""`ipvm inspect`: show what a function offers, what it needs, and whether it links."""

from functools import partial

import click

from ipvm.cli.inspection import inspection_lines, inspection_record
from ipvm.cli.options import Command
from ipvm.cli.session import Session, run

__all__ = ["inspect"]


@click.command("inspect", cls=Command)
@click.argument("target")
def inspect(target: str) -> None:
    """Show what a function offers, what it needs, and whether it links.

    Nothing is compiled or run. A function that does not link is shown too, with all that is wrong
    with it and with what it is linked to; the exit code is that of the first problem then.

    Look at a function before you call it:
      $ ipvm inspect bafy…
    """
    run(partial(_inspect, target), doing="Gathering")


async def _inspect(target: str, session: Session) -> int:
    survey = await session.node.survey(await session.resolve(target))
    if session.output.as_json:
        session.output.record("inspect", inspection_record(survey))
    else:
        session.output.text("\n".join(inspection_lines(survey)))
    return 0 if survey.problem is None else survey.problem.exit_code
