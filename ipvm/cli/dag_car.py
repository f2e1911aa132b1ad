"""`ipvm dag import` and `ipvm dag export`: move blocks in and out as CAR files."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import click

from ipvm.cli.carrying import car_output, require_place
from ipvm.cli.inputs import STANDARD_INPUT
from ipvm.cli.options import Command, current_settings
from ipvm.cli.session import Session, run
from ipvm.cli.streams import read_standard_input
from ipvm.cli.terminal import plural, unicode_path
from ipvm.errors import NotFound
from ipvm.ipld import Cid, Value
from ipvm.store.car import Read, Taken, export_dag, reading, take_car

__all__ = ["export", "import_"]


@click.command("import", cls=Command)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--no-pin", is_flag=True, help="Let it be collected as garbage.")
@click.option("--check", is_flag=True, help="Fail when something below a root is missing.")
def import_(files: tuple[str, ...], *, no_pin: bool, check: bool) -> None:
    """Store the blocks of CAR files, pin their roots, and print them, one a line.

    Every block is verified before it is stored. A file that is broken is stored up to the place
    that the message names, and its roots are not pinned. A root below which something is missing is
    told, and pinned as far as it is here; with --check, the exit code is 3 then. - is standard
    input.

    Take in what was packed elsewhere:
      $ ipvm dag import poly.car
      bafy…
    """
    if files.count(STANDARD_INPUT) > 1:
        raise click.UsageError("Standard input can be read once only.")
    run(partial(_import, files, not no_pin, check), doing="Importing")


async def _import(files: Sequence[str], pin: bool, check: bool, session: Session) -> int:  # noqa: FBT001
    taken = [(file, await _import_one(file, pin, check, session)) for file in files]
    if session.output.as_json:
        records: list[Value] = [_record(file, each) for file, each in taken]
        session.output.record("dag-import", {"files": records})
    incomplete = any(absent is not None for _, each in taken for absent in each.missing.values())
    return NotFound.exit_code if check and incomplete else 0


async def _import_one(file: str, pin: bool, check: bool, session: Session) -> Taken:  # noqa: FBT001
    def progress(blocks: int, block_bytes: int) -> None:
        session.activity.text = f"Importing {unicode_path(file)}: {_counts(blocks, block_bytes)}"

    def looking(root: Cid, blocks: int) -> None:
        session.activity.text = f"Looking through {root}: {plural(blocks, 'block')}"

    async with AsyncExitStack() as stack:
        read: Read = read_standard_input
        if file != STANDARD_INPUT:
            read = await stack.enter_async_context(reading(Path(file)))
        store = session.node.store
        taken = await take_car(
            read, store, pin=pin, check=check, progress=progress, looking=looking
        )
    found = taken.imported
    session.output.note(f"{unicode_path(file)}: {_counts(found.blocks, found.block_bytes)}")
    for root in dict.fromkeys(found.roots):
        if not session.output.as_json:
            session.output.text(str(root))
        absent = taken.missing.get(root)
        if absent is not None:
            session.output.note(f"{root} is not complete here: there is no block {absent}")
    return taken


def _record(file: str, taken: Taken) -> Value:
    reaches = {pin.cid: pin.reach for pin in taken.pins}
    roots: list[Value] = []
    for root in dict.fromkeys(taken.imported.roots):
        absent = taken.missing.get(root)
        roots.append(
            {
                "cid": str(root),
                "complete": absent is None if root in taken.missing else None,
                "missing": None if absent is None else str(absent),
                "pinned": reaches.get(root),
            }
        )
    return {
        "file": unicode_path(file),
        "version": taken.imported.version,
        "blocks": taken.imported.blocks,
        "block_bytes": taken.imported.block_bytes,
        "roots": roots,
    }


def _counts(blocks: int, size: int) -> str:
    return f"{plural(blocks, 'block')}, {plural(size, 'byte')}"


@click.command("export", cls=Command)
@click.argument("cid")
@click.option("-o", "--output", "file", metavar="FILE", help="Where to write it; else stdout.")
def export(cid: str, file: str | None) -> None:
    """Write a block and all that it links to, and so on, into a CAR file.

    What is not here is fetched. The same content gives the same file: depth first, each block
    once. The file appears when it is whole.

    Save a folder with all its files:
      $ ipvm dag export bafy… -o folder.car
    """
    path = require_place(file, as_json=current_settings().as_json)
    run(partial(_export, Cid.parse(cid.removeprefix("ipfs://")), path), doing="Exporting")


async def _export(root: Cid, path: Path | None, session: Session) -> None:
    def progress(blocks: int, car_bytes: int) -> None:
        session.activity.text = f"Exporting: {_counts(blocks, car_bytes)}"

    async with car_output(path, session.output) as write:
        await session.node.blocks.fetch_ahead(root)
        written = await export_dag(root, session.node.blocks, write, progress=progress)
    if session.output.as_json:
        fields: dict[str, Value] = {"blocks": written.blocks, "bytes": written.car_bytes}
        record = {"cid": str(root), "file": unicode_path(path or "-"), **fields}
        session.output.record("dag-export", record)
    else:
        session.output.note(_counts(written.blocks, written.car_bytes))
