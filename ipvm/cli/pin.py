"""`ipvm pin`: say what is to stay."""

from functools import partial

import click

from ipvm.cli.options import Group
from ipvm.cli.session import Session, run
from ipvm.cli.terminal import plural
from ipvm.exchange import Pinned
from ipvm.ipld import Cid, Value
from ipvm.store import Pin, Reach

__all__ = ["pin"]


@click.group("pin", cls=Group)
def pin() -> None:
    """Say what is to stay in the store.

    `ipvm gc` deletes what nothing pins. Functions are pinned when they are published, and receipts
    when they are asked for.
    """


@pin.command("add")
@click.argument("cids", metavar="CID...", nargs=-1, required=True)
@click.option("--name", default="", help="What to call it. The name moves here from what had it.")
@click.option(
    "--recursive",
    "reach",
    flag_value="recursive",
    default="recursive",
    help="Pin all that it links to as well, as without an option; what is not here is fetched.",
)
@click.option("--direct", "reach", flag_value="direct", help="Pin the block alone.")
def add(cids: tuple[str, ...], name: str, reach: Reach) -> None:
    """Pin content, so that it stays when garbage is collected.

    Keep a folder and all that is in it, and call it something:
      $ ipvm pin add bafy… --name holidays
    """
    if name and len(cids) > 1:
        raise click.UsageError("A name is for one CID.")
    run(partial(_add, _cids(cids), name, reach), doing="Pinning")


async def _add(cids: list[Cid], name: str, reach: Reach, session: Session) -> None:
    records: list[Value] = []

    def progress(blocks: int) -> None:
        session.activity.text = f"Pinning: {plural(blocks, 'block')} here"

    for cid in cids:
        added = await session.node.pins.add(cid, reach=reach, name=name, progress=progress)
        _note(added, session)
        counted: dict[str, Value] = {"blocks": added.blocks, "unknown": added.unknown}
        records.append({**_record(added.pin), **counted})
    if session.output.as_json:
        session.output.record("pin-add", {"pinned": records})


def _note(added: Pinned, session: Session) -> None:
    session.output.note(f"pinned {added.pin.cid}: {plural(added.blocks, 'block')}")
    if added.unknown:
        told = f"{plural(added.unknown, 'block')} of a codec that is not known here"
        session.output.note(f"  {told}: what they link to is not pinned")


@pin.command("ls")
def ls() -> None:
    """List what is pinned, one a line: how far the pin reaches, the CID, and the name.

    See what stays:
      $ ipvm pin ls
      recursive  bafy…  holidays
    """
    run(_ls, doing="Looking")


async def _ls(session: Session) -> None:
    found = [each async for each in session.node.pins]
    if session.output.as_json:
        session.output.record("pin-ls", {"pins": [_record(each) for each in found]})
        return
    for each in found:
        session.output.text(f"{each.reach:9}  {each.cid}  {each.name}".rstrip())


@pin.command("rm")
@click.argument("cids", metavar="CID...", nargs=-1, required=True)
def rm(cids: tuple[str, ...]) -> None:
    """Take away the pins of content, whatever their names. It stays until garbage is collected.

    Free the room that a folder takes:
      $ ipvm pin rm bafy…
      $ ipvm gc
    """
    run(partial(_rm, _cids(cids)), doing="Unpinning")


async def _rm(cids: list[Cid], session: Session) -> None:
    removed = await session.node.pins.remove(*cids)
    for each in removed:
        session.output.note(f"unpinned {each.cid}  {each.name}".rstrip())
    if session.output.as_json:
        session.output.record("pin-rm", {"removed": [_record(each) for each in removed]})


def _cids(texts: tuple[str, ...]) -> list[Cid]:
    return [Cid.parse(text.removeprefix("ipfs://")) for text in dict.fromkeys(texts)]


def _record(each: Pin) -> dict[str, Value]:
    return {"cid": str(each.cid), "reach": each.reach, "name": each.name}
