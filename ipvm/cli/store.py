"""`ipvm store`: look after the store."""

import click

from ipvm.cli.activity import Activity
from ipvm.cli.options import Group
from ipvm.cli.output import Output
from ipvm.cli.session import run_on_store
from ipvm.cli.terminal import plural, unicode_path
from ipvm.errors import InvalidData
from ipvm.ipld import Value
from ipvm.store import Check, Fault
from ipvm.store.lmdb import Lmdb

__all__ = ["store"]


@click.group("store", cls=Group)
def store() -> None:
    """Look after the store, where the blocks of this machine are kept."""


@store.command("stat")
def stat() -> None:
    """Tell where the store is and how much it holds.

    See where your blocks are:
      $ ipvm store stat
    """
    run_on_store(_stat, doing="Looking")


async def _stat(opened: Lmdb, output: Output, _activity: Activity) -> None:
    found = await opened.statistics()
    record: dict[str, Value] = {
        "path": unicode_path(opened.path),
        "blocks": found.blocks,
        "block_bytes": found.block_bytes,
        "disk_bytes": found.disk_bytes,
        "map_bytes": found.map_bytes,
    }
    if output.as_json:
        output.record("store-stat", record)
        return
    for name, value in record.items():
        output.text(f"{name:11} {value!s}")


@store.command("check")
def check() -> None:
    """Verify the store: its structure, and every block against its hash.

    What is damaged is printed, one a line; the exit code is 4 then. Putting a block again mends it.

    Verify it after the disk had a bad day:
      $ ipvm store check
    """
    run_on_store(_check, doing="Checking the structure")


async def _check(opened: Lmdb, output: Output, activity: Activity) -> int:
    total = (await opened.statistics()).blocks

    def progress(blocks: int, block_bytes: int) -> None:
        activity.text = f"Checked {blocks:,} of {total:,} blocks, {plural(block_bytes, 'byte')}"

    walk = Check(opened, progress)
    faults = []
    async for fault in walk:
        faults.append(fault)
        if not output.as_json:
            output.text(f"{fault.cid or unicode_path(opened.path)}  {fault.problem}")
    output.note(
        f"{plural(walk.blocks, 'block')}, {plural(walk.block_bytes, 'byte')}, "
        f"{plural(len(faults), 'fault')} in {opened.path}"
    )
    if output.as_json:
        output.record("store-check", _record(walk, faults))
    return InvalidData.exit_code if faults else 0


def _record(walk: Check, faults: list[Fault]) -> dict[str, Value]:
    return {
        "blocks": walk.blocks,
        "block_bytes": walk.block_bytes,
        "faults": [
            {"cid": None if each.cid is None else str(each.cid), "problem": each.problem}
            for each in faults
        ],
    }
