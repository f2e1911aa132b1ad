"""`ipvm get`: a tree onto the disk."""

from contextlib import suppress
from functools import partial
from pathlib import PurePosixPath

import click

from ipvm.cli.options import Command
from ipvm.cli.session import Session, run
from ipvm.cli.terminal import plural, unicode_path
from ipvm.files import Exported, export, parse_tree_path
from ipvm.ipld import BlockNotFound, Value

__all__ = ["get"]


@click.command("get", cls=Command)
@click.argument("path")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(),
    help="Where to, instead of the last name of PATH in the working folder.",
)
@click.option(
    "--force", is_flag=True, help="Replace files, and write into folders, that are there."
)
def get(path: str, *, output: str | None, force: bool) -> None:
    """Write a file or a folder to the disk.

    PATH is a CID, or the way from one. Symlinks are written if they stay in the folder. What is
    already there is left alone without --force.

    Take a folder home:
      $ ipvm get bafy…/notes -o notes
    """
    name = PurePosixPath(path.removeprefix("ipfs://")).name
    run(partial(_get, path, output or name, force), doing="Writing")


async def _get(path: str, output: str, force: bool, session: Session) -> None:  # noqa: FBT001
    files = session.node.files
    way = parse_tree_path(path)
    with suppress(BlockNotFound):  # which is told with its path, below
        await session.node.blocks.fetch_ahead(way.root, way.steps)
    place = await files.resolve(way)

    def told(written: Exported) -> None:
        shown = f"{plural(written.files, 'file')}, {plural(written.content_bytes, 'byte')}"
        session.activity.detail = lambda: f": {shown}"

    written = await export(files, place, output, force=force, progress=told)
    if session.output.as_json:
        record: dict[str, Value] = {
            "path": unicode_path(output),
            "files": written.files,
            "folders": written.folders,
            "symlinks": written.symlinks,
            "bytes": written.content_bytes,
        }
        session.output.record("get", record)
    else:
        session.output.text(unicode_path(output))
