"""`ipvm dag`: read and write IPLD values, with paths into them."""

from functools import partial

import click

from ipvm.cli.dag_car import export, import_
from ipvm.cli.dag_path import DagPath, follow, parse_path
from ipvm.cli.inputs import STANDARD_INPUT, read_input
from ipvm.cli.options import Group
from ipvm.cli.session import Session, run
from ipvm.errors import InvalidData
from ipvm.ipld import CODECS, InvalidEncoding, Value, decode, encode

__all__ = ["dag"]

_DEFAULT = "dag-json"


@click.group("dag", cls=Group)
def dag() -> None:
    """Read and write IPLD values.

    A value is what a block says under its codec: numbers, text, bytes, lists, maps and links.
    """


@dag.command("get")
@click.argument("path")
@click.option(
    "--codec",
    type=click.Choice([*CODECS]),
    default=_DEFAULT,
    help="How to write the value; raw writes bytes as they are.",
)
def get(path: str, codec: str) -> None:
    """Print a value, or a part of one.

    PATH is a CID and, behind it, keys of maps and numbers of list items. It leads through links
    into other blocks. A link at its end is printed, and followed if there is a slash behind it.

    Read a receipt, its result, and the call that it is about:
      $ ipvm dag get bafy…
      $ ipvm dag get bafy…/out/ok
      17.0
      $ ipvm dag get bafy…/ran/
    """
    run(partial(_get, parse_path(path), codec), doing="Fetching")


async def _get(path: DagPath, codec: str, session: Session) -> None:
    found = await follow(path, session.node.blocks)
    if codec != _DEFAULT and not session.output.as_json:
        session.output.payload(encode(found.value, CODECS[codec]))
        return
    try:
        if session.output.as_json:
            session.output.record("dag-get", {"cid": str(found.cid), "value": found.value})
        else:
            session.output.value(found.value)
    except InvalidEncoding as error:
        raise InvalidData(f"the value is {error}; --codec dag-cbor writes it") from error


@dag.command("put")
@click.argument("file", default=STANDARD_INPUT)
@click.option(
    "--codec", type=click.Choice([*CODECS]), default="dag-cbor", help="How the block is written."
)
@click.option(
    "--input-codec", type=click.Choice([*CODECS]), default=_DEFAULT, help="How FILE is read."
)
def put(file: str, codec: str, input_codec: str) -> None:
    """Keep the value that a file or standard input says as one block, and print its CID.

    Keep a map with a number in it:
      $ echo '{"answer": 42}' | ipvm dag put
      bafyreigej2ugsv7rhwrzkwpzxrpdedeeidgvmbqqkm7sokx5djnjbktkhe
    """
    value = decode(read_input(file), CODECS[input_codec])
    run(partial(_put, value, CODECS[codec]), doing="Writing")


async def _put(value: Value, codec: int, session: Session) -> None:
    cid = await session.node.put_value(value, codec=codec)
    if session.output.as_json:
        session.output.record("dag-put", {"cid": str(cid)})
    else:
        session.output.text(str(cid))


dag.add_command(import_)
dag.add_command(export)
