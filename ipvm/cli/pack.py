"""`ipvm pack`: write a function, and what a run of it read, into one file."""

from functools import partial
from pathlib import Path

import click

from ipvm.cli.carrying import car_output, require_place
from ipvm.cli.options import Command, current_settings
from ipvm.cli.session import Session, run
from ipvm.cli.terminal import plural, unicode_path
from ipvm.ipld import Cid, Value

__all__ = ["pack"]


@click.command("pack", cls=Command)
@click.argument("target")
@click.option("-o", "--output", "file", metavar="FILE", help="Where to write it; else stdout.")
@click.option("--receipt", metavar="CID", help="Also pack what the run of this receipt needs.")
def pack(target: str, file: str | None, receipt: str | None) -> None:
    """Write a function and all that it is linked to into one CAR file.

    With the receipt of a call, the invocation, the blocks that the call read and what its result
    links to go in as well, so that the same call works elsewhere, offline.

    Carry a function to a machine without a network:
      $ ipvm pack bafy… -o poly.car
      $ ipvm dag import poly.car --store elsewhere
    """
    path = require_place(file, as_json=current_settings().as_json)
    about = None if receipt is None else Cid.parse(receipt.removeprefix("ipfs://"))
    run(partial(_pack, target, path, about), doing="Gathering")


async def _pack(target: str, path: Path | None, receipt: Cid | None, session: Session) -> None:
    cars = session.node.cars
    packing = await cars.list_pack(await session.resolve(target), receipt=receipt)

    def progress(blocks: int, car_bytes: int) -> None:
        total = plural(len(packing.cids), "block")
        session.activity.text = f"Writing {blocks:,} of {total}, {plural(car_bytes, 'byte')}"

    async with car_output(path, session.output) as write:
        written = await cars.write_pack(packing, write, progress=progress)
    for cid in packing.absent:
        session.output.note(f"the record links to {cid}, which is not here")
    if session.output.as_json:
        fields: dict[str, Value] = {
            "roots": [str(cid) for cid in written.roots],
            "file": unicode_path(path or "-"),
            "blocks": written.blocks,
            "bytes": written.car_bytes,
            "absent": [str(cid) for cid in packing.absent],
        }
        session.output.record("pack", fields)
    else:
        size = f"{plural(written.blocks, 'block')}, {plural(written.car_bytes, 'byte')}"
        for cid in written.roots:
            session.output.note(str(cid))
        session.output.note(size)
