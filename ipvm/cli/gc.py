"""`ipvm gc`: free the room of what nobody wants any more."""

from functools import partial

import click

from ipvm.cli.activity import Activity
from ipvm.cli.options import Command
from ipvm.cli.output import Output
from ipvm.cli.session import run_on_store
from ipvm.cli.terminal import plural
from ipvm.errors import InvalidData
from ipvm.ipld import Value
from ipvm.store import Collected, collect
from ipvm.store.lmdb import Lmdb

__all__ = ["gc"]


@click.command("gc", cls=Command)
@click.option("--dry-run", is_flag=True, help="Delete nothing, and tell what would be.")
def gc(*, dry_run: bool) -> None:
    """Delete the blocks that nothing pins.

    Others may use the store meanwhile: what they put stays, and so does what it links to. When a
    block below a pin is missing or damaged, nothing is deleted, since nobody knows what is behind it;
    the exit code is 4 then. The cache of machine code is not touched.

    See how much room there is to gain:
      $ ipvm gc --dry-run
    """
    run_on_store(partial(_gc, dry_run=dry_run), doing="Looking for what is pinned")


async def _gc(opened: Lmdb, output: Output, activity: Activity, *, dry_run: bool) -> int:
    total = (await opened.statistics()).blocks

    def progress(doing: str, blocks: int) -> None:
        told = {
            "mark": f"Looking for what is pinned: {plural(blocks, 'block')}",
            "sweep": f"Looked at {blocks:,} of {total:,} blocks",
        }
        activity.text = told[doing]

    found = Collected()
    if total:  # else there may be no store yet, and looking makes none
        found = await collect(opened, dry_run=dry_run, progress=progress)
    _tell(found, output, dry_run=dry_run)
    if output.as_json:
        output.record("gc", _record(found, dry_run=dry_run))
    else:
        freed = f"{plural(found.freed.blocks, 'block')}, {plural(found.freed.block_bytes, 'byte')}"
        output.text(f"{'would free' if dry_run else 'freed'} {freed}")
    return InvalidData.exit_code if found.stopped else 0


def _tell(found: Collected, output: Output, *, dry_run: bool) -> None:
    for problem in found.problems:
        output.note(str(problem))
    if found.unknown:
        told = f"{plural(found.unknown, 'block')} of a codec that is not known here"
        output.note(f"{told}: what they link to counts as garbage, unless something else pins it")
    if found.stopped:
        output.note(
            "nothing was deleted: there may be more behind these blocks. "
            "Mend them with `ipvm pin add CID --from FOLDER`, or let go with `ipvm pin rm CID`"
        )
    elif not dry_run:
        output.note(f"{plural(found.pins, 'pin')}, {plural(found.kept, 'block')} kept")


def _record(found: Collected, *, dry_run: bool) -> dict[str, Value]:
    return {
        "dry_run": dry_run,
        "blocks": found.freed.blocks,
        "block_bytes": found.freed.block_bytes,
        "kept": found.kept,
        "pins": found.pins,
        "unknown": found.unknown,
        "stopped": found.stopped,
        "problems": [
            {"cid": str(each.cid), "kind": each.kind, "problem": str(each)}
            for each in found.problems
        ],
    }
