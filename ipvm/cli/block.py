"""`ipvm block`: read and write blocks, the bytes behind CIDs."""

from functools import partial

import click

from ipvm.cli.inputs import STANDARD_INPUT, read_input
from ipvm.cli.options import Group
from ipvm.cli.session import Session, run
from ipvm.errors import NotFound
from ipvm.ipld import CODECS, HASHES, Block, Cid, Value, codec_name, hash_name

__all__ = ["block"]

_HASHES = [name for name in HASHES if name != "identity"]


@click.group("block", cls=Group)
def block() -> None:
    """Read and write blocks.

    A block is bytes, and its CID is their hash: what is read was checked against it.
    """


@block.command("get")
@click.argument("cid")
def get(cid: str) -> None:
    """Write the bytes of a block to standard output, as they are.

    Take the code of a function apart with another tool:
      $ ipvm block get bafk… > function.wasm
    """
    run(partial(_get, _cid(cid)), doing="Fetching")


async def _get(cid: Cid, session: Session) -> None:
    found = await session.node.blocks.get(cid)
    if session.output.as_json:
        session.output.record("block-get", {"cid": str(cid), "data": found.data})
    else:
        session.output.payload(found.data)


@block.command("put")
@click.argument("file", default=STANDARD_INPUT)
@click.option(
    "--codec",
    type=click.Choice([*CODECS]),
    default="raw",
    help="How the bytes are to be read; they are checked.",
)
@click.option(
    "--hash",
    "hash_function",
    type=click.Choice(_HASHES),
    default="sha2-256",
    help="How to hash them.",
)
@click.option("--cid", help="Keep them under this CID, which says codec and hash, or refuse them.")
def put(file: str, codec: str, hash_function: str, cid: str | None) -> None:
    """Keep a file, or standard input, as one block, and print its CID.

    Keep a few bytes:
      $ echo hello | ipvm block put
      bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am
    """
    data = read_input(file)
    if cid is not None:
        made = Block(_cid(cid), data)
    else:
        made = Block.of(data, codec=CODECS[codec], hash_code=HASHES[hash_function])
        made.decode()
    run(partial(_put, made), doing="Writing")


async def _put(made: Block, session: Session) -> None:
    await session.node.blocks.put(made)
    if session.output.as_json:
        session.output.record("block-put", {"cid": str(made.cid), "bytes": len(made.data)})
    else:
        session.output.text(str(made.cid))


@block.command("stat")
@click.argument("cid")
def stat(cid: str) -> None:
    """Tell the size of a block, how it is read, how it was hashed, and how many links it has.

    Look at a block before you read it:
      $ ipvm block stat bafk…
    """
    run(partial(_stat, _cid(cid)), doing="Fetching")


async def _stat(cid: Cid, session: Session) -> None:
    found = await session.node.blocks.get(cid)
    links = len(found.links()) if cid.codec in CODECS.values() else None
    record: dict[str, Value] = {
        "cid": str(cid),
        "bytes": len(found.data),
        "codec": codec_name(cid.codec),
        "hash": hash_name(cid.hash_code),
        "links": links,
    }
    if session.output.as_json:
        session.output.record("block-stat", record)
        return
    for name, value in record.items():
        session.output.text(f"{name:6} {'unknown' if value is None else str(value)}")


@block.command("rm")
@click.argument("cids", metavar="CID...", nargs=-1, required=True)
def rm(cids: tuple[str, ...]) -> None:
    """Remove blocks from the store. What needs them is not looked for.

    Remove a block, and see that it is gone:
      $ ipvm block rm bafk…
      $ ipvm block get bafk… --offline
    """
    run(partial(_rm, [_cid(cid) for cid in cids]), doing="Removing")


async def _rm(cids: list[Cid], session: Session) -> None:
    store = session.node.store
    for cid in cids:
        if not await store.has(cid):
            raise NotFound(f"no block {cid} in the store")
    for cid in cids:
        await store.delete(cid)
        session.output.note(f"removed {cid}")
    if session.output.as_json:
        session.output.record("block-rm", {"removed": [str(cid) for cid in cids]})


def _cid(text: str) -> Cid:
    return Cid.parse(text.removeprefix("ipfs://"))
