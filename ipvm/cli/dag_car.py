"""`ipvm dag import` and `ipvm dag export`: move blocks in and out as CAR files."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click

from ipvm.cli.carrying import car_output, require_place
from ipvm.cli.inputs import STANDARD_INPUT
from ipvm.cli.options import Command, current_settings
from ipvm.cli.session import Session, run
from ipvm.cli.streams import read_standard_input
from ipvm.cli.terminal import plural, unicode_path
from ipvm.errors import NotFound
from ipvm.ipld import Cid, Value
from ipvm.store.car import Imported, export_dag, import_car, missing_block, reading

__all__ = ["export", "import_"]

_LOOKED_AT_MAX: Final = 10_000
"""Blocks that are looked through below each root after an import, unless all are to be."""


@click.command("import", cls=Command)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Look through all of each root, however large.")
def import_(files: tuple[str, ...], *, check: bool) -> None:
    """Store the blocks of CAR files, and print their roots, one a line.

    Every block is verified before it is stored. A file that is broken is stored up to the place
    that the message names. A root below which something is missing is told; with --check, all of
    it is looked through, and the exit code is 3 then. - is standard input.

    Take in what was packed elsewhere:
      $ ipvm dag import poly.car
      bafy…
    """
    if files.count(STANDARD_INPUT) > 1:
        raise click.UsageError("Standard input can be read once only.")
    run(partial(_import, files, check), doing="Importing")


async def _import(files: Sequence[str], check: bool, session: Session) -> int:  # noqa: FBT001
    records: list[Value] = []
    incomplete = False
    for file in files:
        found = await _import_one(file, session)
        roots: list[Value] = []
        for root in dict.fromkeys(found.roots):
            missing, searched = await _look(root, check, session)
            incomplete = incomplete or missing is not None
            roots.append(
                {
                    "cid": str(root),
                    "complete": None if not searched else missing is None,
                    "missing": None if missing is None else str(missing),
                }
            )
        counts = f"{plural(found.blocks, 'block')}, {plural(found.block_bytes, 'byte')}"
        session.output.note(f"{unicode_path(file)}: {counts}")
        records.append(
            {
                "file": unicode_path(file),
                "version": found.version,
                "blocks": found.blocks,
                "block_bytes": found.block_bytes,
                "roots": roots,
            }
        )
    if session.output.as_json:
        session.output.record("dag-import", {"files": records})
    return NotFound.exit_code if check and incomplete else 0


async def _import_one(file: str, session: Session) -> Imported:
    def progress(blocks: int, block_bytes: int) -> None:
        counts = f"{plural(blocks, 'block')}, {plural(block_bytes, 'byte')}"
        session.activity.text = f"Importing {unicode_path(file)}: {counts}"

    store = session.node.store
    if file == STANDARD_INPUT:
        return await import_car(read_standard_input, store, progress=progress)
    async with reading(Path(file)) as read:
        return await import_car(read, store, progress=progress)


async def _look(root: Cid, check: bool, session: Session) -> tuple[Cid | None, bool]:  # noqa: FBT001
    """Print a root, and tell whether all of it is here."""
    session.activity.text = f"Looking through {root}"
    blocks_max = None if check else _LOOKED_AT_MAX
    missing, searched = await missing_block(root, session.node.store, blocks_max=blocks_max)
    if not session.output.as_json:
        session.output.text(str(root))
    if missing is not None:
        session.output.note(f"{root} is not complete here: there is no block {missing}")
    elif not searched:
        looked = plural(_LOOKED_AT_MAX, "block")
        session.output.note(f"{root}: the first {looked} are here; --check looks through all")
    return missing, searched


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
        counts = f"{plural(blocks, 'block')}, {plural(car_bytes, 'byte')}"
        session.activity.text = f"Exporting: {counts}"

    async with car_output(path, session.output) as write:
        written = await export_dag(root, session.node.blocks, write, progress=progress)
    if session.output.as_json:
        fields: dict[str, Value] = {"blocks": written.blocks, "bytes": written.car_bytes}
        record = {"cid": str(root), "file": unicode_path(path or "-"), **fields}
        session.output.record("dag-export", record)
    else:
        counts = f"{plural(written.blocks, 'block')}, {plural(written.car_bytes, 'byte')}"
        session.output.note(counts)
