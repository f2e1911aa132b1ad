"""`ipvm add`: import files and folders, print their CIDs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, final

import click
import trio

from ipvm.cli.inputs import STANDARD_INPUT
from ipvm.cli.options import Command
from ipvm.cli.output import Output
from ipvm.cli.session import Session, run
from ipvm.cli.streams import standard_input_pieces
from ipvm.cli.terminal import unicode_path
from ipvm.files.adding import Importer, ImportOptions, pinning, profile_named, root_name
from ipvm.files.disk import Added
from ipvm.files.profiles import PROFILES, V1_2025
from ipvm.ipld import Block, Cid, Value
from ipvm.limits import CHUNK_BYTES_MAX

if TYPE_CHECKING:
    from ipvm.files.nodes import Written

__all__ = ["add"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What is asked for: the parameters of the command, by their names."""

    paths: tuple[str, ...]
    profile: str
    chunk_bytes: int | None
    hidden: bool
    preserve_mode: bool
    preserve_mtime: bool
    wrap: bool
    only_hash: bool
    no_pin: bool
    cids: bool
    quieter: bool

    @property
    def options(self) -> ImportOptions:
        """What they mean for an import."""
        return ImportOptions(
            profile=profile_named(self.profile, self.chunk_bytes),
            hidden=self.hidden,
            preserve_mode=self.preserve_mode,
            preserve_mtime=self.preserve_mtime,
        )


@click.command("add", cls=Command)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--profile",
    type=click.Choice([*PROFILES]),
    default=V1_2025.name,
    help="How files and folders become blocks, by its name in IPIP-0499.",
)
@click.option(
    "--chunk-bytes",
    metavar="N",
    type=click.IntRange(1, CHUNK_BYTES_MAX),
    help="Cut files into pieces of so many bytes, whatever the profile says.",
)
@click.option(
    "--hidden", "-H", is_flag=True, help="Add what is in folders under names like .name, too."
)
@click.option("--preserve-mode", is_flag=True, help="Keep permissions.")
@click.option("--preserve-mtime", is_flag=True, help="Keep times of modification.")
@click.option("--wrap", "-w", is_flag=True, help="Put what is named into a folder.")
@click.option("--only-hash", "-n", is_flag=True, help="Tell the CIDs, and keep nothing.")
@click.option("--no-pin", is_flag=True, help="Let it be collected as garbage.")
@click.option("--cids", "-q", is_flag=True, help="Print CIDs without names.")
@click.option("--quieter", "-Q", is_flag=True, help="Print the CIDs of what is named, no others.")
@click.pass_context
def add(context: click.Context, /, **_parameters: object) -> None:
    """Add files and folders, and print their CIDs.

    PATH is a file, a folder, or - for standard input. Symlinks in folders are kept as symlinks. The
    CIDs are those that `ipfs add` gives with the same profile. What is named is pinned.

    Add a folder, and take its CID:
      $ ipvm add photos
      added bafk… photos/cat.jpg
      added bafy… photos
      $ cid=$(ipvm add -Q photos)
    """
    request = _Request(**context.params)
    if request.paths.count(STANDARD_INPUT) > 1:
        raise click.UsageError("Standard input can be added once only.")
    run(partial(_add, request), doing="Adding")


async def _add(request: _Request, session: Session) -> None:
    if request.only_hash:
        await _import(request, session)
        return
    async with pinning(session.node.pins, pin=not request.no_pin) as roots:
        roots.extend(await _import(request, session))


async def _import(request: _Request, session: Session) -> list[Cid]:
    """Import what is asked for, and give the roots."""
    report = _Report(request, session.output)
    keep = _forget if request.only_hash else session.node.blocks.put_many
    importer = Importer(keep, options=request.options, on_added=report.tell)
    session.activity.detail = lambda: f": {importer.bytes_read:,} bytes"
    roots: list[tuple[str, Written]] = []
    for path in request.paths:
        if path == STANDARD_INPUT:
            written = await importer.stream(standard_input_pieces(), STANDARD_INPUT)
            roots.append((str(written.cid), written))  # as `ipfs add` names it
        else:
            written = await importer.path(path, root_name(path))
            roots.append((root_name(path), written))
        if not request.wrap:
            report.end()
    if request.wrap:
        roots = [("", await importer.wrap(roots))]
        report.end()
    report.finish()
    return [written.cid for _, written in roots]


async def _forget(_blocks: Sequence[Block]) -> None:
    await trio.lowlevel.checkpoint()


@final
class _Report:
    """Prints what was added, as it is kept."""

    def __init__(self, request: _Request, output: Output) -> None:
        self._output = output
        self._request = request
        self._last: Added | None = None
        self._records = output.list("add", "added")

    def tell(self, added: Sequence[Added]) -> None:
        """Take what was added; the last of it may be the root."""
        self._last = added[-1]
        if self._request.quieter:
            return
        if self._output.as_json:
            self._records.extend(_record(each) for each in added)
        else:
            self._output.text("\n".join(map(self._line, added)))

    def end(self) -> None:
        """Know that what was told last is what was named."""
        assert self._last is not None
        if not self._request.quieter:
            return
        if self._output.as_json:
            self._records.extend([_record(self._last)])
        else:
            self._output.text(str(self._last.cid))

    def finish(self) -> None:
        """Write what is left to write."""
        if self._output.as_json:
            self._records.end()

    def _line(self, added: Added) -> str:
        name = unicode_path(added.path).replace("\n", "\\n")  # a line is one thing
        return str(added.cid) if self._request.cids else f"added {added.cid} {name}".rstrip()


def _record(added: Added) -> Value:
    return {
        "name": unicode_path(added.path),
        "cid": str(added.cid),
        "type": added.kind,
        "bytes": added.file_bytes,
    }
