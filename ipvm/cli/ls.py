"""`ipvm ls`: what is in a folder."""

from collections.abc import AsyncGenerator
from functools import partial

import click

from ipvm.cli.options import Command
from ipvm.cli.session import Session, run
from ipvm.cli.stat import moment, permissions
from ipvm.cli.terminal import plural
from ipvm.files import Entry, Place, Stat
from ipvm.ipld import Value

__all__ = ["ls"]

_LINES_TOGETHER = 1000
_LONG_LINES_TOGETHER = 16
_LETTERS = {"directory": "d", "symlink": "l", "file": "-", "value": "v"}


@click.command("ls", cls=Command)
@click.argument("path")
@click.option(
    "-l",
    "--long",
    "is_long",
    is_flag=True,
    help="Tell kind, mode, size and CID too; --json has the time as well.",
)
def ls(path: str, *, is_long: bool) -> None:
    """List a folder.

    PATH is a CID, or the way to a folder from one. The names come as they are stored: sorted, but
    for sharded folders. For -l, a block of each entry is fetched.

    See what is in a folder, and how large it is:
      $ ipvm ls bafy…
      $ ipvm ls -l bafy…/notes
    """
    run(partial(_ls, path, is_long), doing="Listing")


async def _ls(path: str, is_long: bool, session: Session) -> None:  # noqa: FBT001 - by `partial`
    files = session.node.files
    folder = await files.resolve(path)
    found = 0
    session.activity.detail = lambda: f": {plural(found, 'entry').replace('entrys', 'entries')}"
    rows: list[Value] = []
    lines: list[str] = []
    async for entry, stat in _entries(folder, session, is_long=is_long):
        found += 1
        if session.output.as_json:
            rows.append(_row(entry, stat))
            continue
        lines.append(_line(entry, stat))
        if len(lines) == (_LONG_LINES_TOGETHER if is_long else _LINES_TOGETHER):
            session.output.text("\n".join(lines))
            lines.clear()
    if session.output.as_json:
        session.output.record("ls", {"path": folder.path, "entries": rows})
    elif lines:
        session.output.text("\n".join(lines))


async def _entries(
    folder: Place, session: Session, *, is_long: bool
) -> AsyncGenerator[tuple[Entry, Stat | None], None]:
    files = session.node.files
    if is_long:
        async for entry, place in await files.contents(folder):
            yield entry, await files.stat(place)
    else:
        async for entry in await files.listing(folder):
            yield entry, None


def _row(entry: Entry, stat: Stat | None) -> Value:
    row: dict[str, Value] = {"name": entry.name, "cid": str(entry.cid)}
    if stat is not None:
        row |= {"kind": stat.kind, "size": stat.size, "mode": stat.mode}
        row["mtime"] = moment(stat.mtime_nanoseconds)
    return row


def _line(entry: Entry, stat: Stat | None) -> str:
    # A name may have line breaks, and each line is one name.
    name = entry.name if entry.name.isprintable() else entry.name.encode("unicode_escape").decode()
    if stat is None:
        return name
    size = "-" if stat.size is None else str(stat.size)
    mode = permissions(stat.mode) or "-"
    return f"{_LETTERS[stat.kind]} {mode:>4} {size:>12} {entry.cid} {name}"
