"""`ipvm stat`: what is known of a file or folder without reading it."""

from functools import partial

import click

from ipvm.cli.options import Command
from ipvm.cli.session import Session, run
from ipvm.ipld import Value

__all__ = ["moment", "permissions", "stat"]

_SECOND = 1_000_000_000


@click.command("stat", cls=Command)
@click.argument("path")
@click.option("--follow", is_flag=True, help="Tell about what a symlink at the end leads to.")
def stat(path: str, *, follow: bool) -> None:
    """Tell what is at a path, how large it is, and when it was changed.

    PATH is a CID, or the way from one. One block is fetched, and those on the way.

    Look at a file before you read it:
      $ ipvm stat bafy…/notes/today.txt
    """
    run(partial(_stat, path, follow), doing="Looking")


async def _stat(path: str, follow: bool, session: Session) -> None:  # noqa: FBT001 - by `partial`
    found = await session.node.files.stat(path, follow=follow)
    record: dict[str, Value] = {
        "path": found.path,
        "cid": str(found.cid),
        "kind": found.kind,
        "size": found.size,
        "links": found.links,
        "mode": permissions(found.mode),
        "mtime": moment(found.mtime_nanoseconds),
    }
    if session.output.as_json:
        session.output.record("stat", record | {"mode": found.mode})
        return
    for name, value in record.items():
        if value is not None and not isinstance(value, bytes):
            session.output.text(f"{name:5} {value}")


def permissions(mode: int | None) -> str | None:
    """A mode in octal."""
    return None if mode is None else f"{mode:04o}"


def moment(nanoseconds: int | None) -> str | None:
    """A time as decimal seconds since 1970, which is exact whatever the year."""
    if nanoseconds is None:
        return None
    sign = "-" if nanoseconds < 0 else ""
    seconds, fraction = divmod(abs(nanoseconds), _SECOND)
    return (
        f"{sign}{seconds}.{fraction:09d}".rstrip("0").rstrip(".")
        if fraction
        else f"{sign}{seconds}"
    )
