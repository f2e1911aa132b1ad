"""`ipvm cat`: the bytes of files."""

from collections.abc import Sequence
from functools import partial
from typing import final

import click
import trio

from ipvm.cli.options import Command
from ipvm.cli.session import Session, run
from ipvm.cli.streams import write_standard_output
from ipvm.errors import LimitExceeded
from ipvm.files import pour
from ipvm.ipld import Value
from ipvm.limits import BLOCK_BYTES_MAX

__all__ = ["cat"]


@click.command("cat", cls=Command)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--offset",
    metavar="BYTES",
    type=click.IntRange(min=0),
    default=0,
    help="Leave out so many bytes of all files together.",
)
@click.option(
    "--length", metavar="BYTES", type=click.IntRange(min=0), help="Write no more than so many."
)
def cat(paths: tuple[str, ...], offset: int, length: int | None) -> None:
    """Write files, or a part of them, to standard output.

    PATH is a CID, or the way to a file from one. Only the blocks that are asked for are fetched.

    Read a file in a folder, and sixteen bytes from its middle:
      $ ipvm cat bafy…/notes/today.txt
      $ ipvm cat bafy…/notes/today.txt --offset 1000 --length 16
    """
    run(partial(_cat, paths, offset, length), doing="Reading")


async def _cat(paths: Sequence[str], offset: int, length: int | None, session: Session) -> None:
    sink = _Sink(session)
    for path in paths:
        file = await session.node.files.open(path)
        first = min(offset, file.size)
        count = file.size - first if length is None else min(length, file.size - first)
        await pour(file.pieces(first, count), sink.take)
        offset -= first
        length = None if length is None else length - count
        if length == 0:
            break
    sink.finish(paths)


@final
class _Sink:
    """Writes bytes as they come, or, for the one record, all together at the end."""

    def __init__(self, session: Session) -> None:
        self._output = session.output
        self._data = bytearray()
        self._bytes = 0
        session.activity.detail = lambda: f": {self._bytes:,} bytes"

    async def take(self, pieces: Sequence[memoryview | bytes]) -> None:
        self._bytes += sum(map(len, pieces))
        if not self._output.as_json:
            self._output.make_room()
            await write_standard_output(*pieces)
            return
        await trio.lowlevel.checkpoint()
        self._data += b"".join(pieces)
        if self._bytes > BLOCK_BYTES_MAX:
            how = "cat without --json writes any number of bytes"
            raise LimitExceeded("BLOCK_BYTES_MAX", BLOCK_BYTES_MAX, how=how)

    def finish(self, paths: Sequence[str]) -> None:
        if self._output.as_json:
            shown: list[Value] = list(paths)
            self._output.record("cat", {"paths": shown, "data": bytes(self._data)})
