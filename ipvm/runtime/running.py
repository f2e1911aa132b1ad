"""Run a command on what Python has at hand: CIDs, paths of trees, files and folders of this machine.

What is not content yet is added first, so that a run is a function of CIDs alone.
"""

import os
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, TypeAlias, TypedDict, Unpack, final

import trio

from ipvm.errors import InvalidArguments, InvalidData
from ipvm.exchange import Pins
from ipvm.files import Files, TreePath, parse_tree_path
from ipvm.files.adding import add
from ipvm.ipld import Cid
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT
from ipvm.model import Command, File, InvalidRecord, Profile
from ipvm.runtime.command import Streams, run_command
from ipvm.runtime.command_result import CommandResult
from ipvm.runtime.keeping import pins_of_record
from ipvm.runtime.options import CallOptions
from ipvm.runtime.runtime import Runtime
from ipvm.runtime.spool import Listen

__all__ = ["OUTPUTS", "CommandResult", "Content", "Listen", "RunOptions", "run"]

Content: TypeAlias = Cid | File | str | Path | bytes | AsyncIterable[bytes]
"""A CID; a file; as text, `CID/a/b` or a path of this machine; a path of this machine; or the bytes of a file,
together or piece by piece."""

OUTPUTS: Final = "/outputs"
"""The folder that every command may write to."""
INPUTS: Final = ("/inputs", "inputs")
"""Where a command finds its input."""


class RunOptions(TypedDict, total=False):
    """What a command is given, and its bounds."""

    env: Mapping[str, str]
    """Its environment; empty without."""
    mounts: Mapping[str, Content]
    """Files and folders, by the path under which it finds each. They are for reading."""
    input: Content
    """A folder that it finds at `/inputs`, and at `inputs`."""
    stdin: Content
    """The file that is its standard input; empty without."""
    workdir: str
    """The folder that relative paths begin in: one that is mounted, an output, or one in those."""
    outputs: Sequence[str]
    """Folders besides `/outputs` that it may write to, and that are kept. One that is a mount, too,
    begins with what stands there."""
    fuel: int
    """Fuel that it may use; about 10^9 are a second."""
    memory: int
    """Bytes that its memories may take together."""
    profile: Profile
    """`deterministic`, or `fast`, which counts no fuel."""
    stdout: Listen | None
    """Takes what it writes to standard output, as it comes; on any thread."""
    stderr: Listen | None
    """Likewise of standard error."""
    pin: bool
    """Keep the record, and what it names, from being collected as garbage; True without."""
    on_added: Callable[[str, Cid], None]
    """Is told what was added, and what a path in a tree led to: the path, and the CID."""


async def run(
    runtime: Runtime,
    files: Files,
    pins: Pins,
    root: Cid,
    arguments: Sequence[str],
    **options: Unpack[RunOptions],
) -> CommandResult:
    """Run a command, and give what it came to; see `Node.run`."""
    await trio.lowlevel.checkpoint()
    bounds = CallOptions(
        fuel=options.get("fuel", FUEL_DEFAULT),
        memory=options.get("memory", MEMORY_DEFAULT),
        profile=options.get("profile", "deterministic"),
    )
    streams = Streams(stdout=options.get("stdout"), stderr=options.get("stderr"))
    async with AsyncExitStack() as stack:
        if pins.are_kept:
            await stack.enter_async_context(pins.lease())
        told = options.get("on_added", lambda _path, _cid: None)
        command = await _Contents(runtime, files, pins, told).command(options)
        result = await run_command(runtime, root, tuple(arguments), command, bounds, streams)
        if options.get("pin", True) and pins.are_kept:
            program = (await runtime.load(root, bounds.profile)).program
            await pins.keep(pins_of_record(result.cid, program))
    return result


@final
class _Contents:
    """Makes CIDs of what a command is given."""

    def __init__(
        self, runtime: Runtime, files: Files, pins: Pins, told: Callable[[str, Cid], None]
    ) -> None:
        self._blocks = runtime.blocks
        self._files = files
        self._pins = pins
        self._told = told

    async def command(self, options: RunOptions) -> Command:
        """Give what the command is given.

        Raises:
            InvalidArguments: It cannot be given that.
            IpvmError: Something cannot be had, or not be added.
        """
        mounts = {path: await self.cid(each) for path, each in options.get("mounts", {}).items()}
        if "input" in options:
            mounts |= dict.fromkeys(INPUTS, await self.folder(options["input"]))
        stdin = options.get("stdin")
        try:
            return Command(
                env=dict(options.get("env", {})),
                mounts=mounts,
                stdin=None if stdin is None else await self.cid(stdin),
                workdir=options.get("workdir"),
                outputs=tuple(sorted({OUTPUTS, *options.get("outputs", ())}, key=os.fsencode)),
            )
        except InvalidRecord as error:
            raise InvalidArguments(f"{error.path}: {error.problem}") from error

    async def folder(self, content: Content) -> Cid:
        """Give the CID of a folder."""
        cid = await self.cid(content)
        kind = (await self._files.stat(cid)).kind
        if kind != "directory":
            how = f"mount it, at a path such as {INPUTS[0]}/NAME"
            raise InvalidArguments(f"the input is a folder, and {cid} is a {kind}: {how}")
        return cid

    async def cid(self, content: Content) -> Cid:
        """Give the CID of anything."""
        if isinstance(content, Cid | File):
            return content.cid if isinstance(content, File) else content
        path = _tree_path(content) if isinstance(content, str) else None
        if path is not None:
            found = (await self._files.resolve(path)).node.cid
            if path.steps:
                self._told(str(content), found)
            return found
        cid = await add(content, self._blocks, self._pins, pin=False)
        if isinstance(content, str | Path):
            self._told(os.fspath(content), cid)
        return cid


def _tree_path(text: str) -> TreePath | None:
    """Read the path of a tree; None where the text names something of this machine.

    Raises:
        InvalidArguments: It names nothing.
    """
    try:
        return parse_tree_path(text)
    except InvalidData as error:
        if os.path.lexists(text):
            return None
        msg = f"{text!a} is neither a file or folder here, nor a CID: {error}"
        raise InvalidArguments(msg) from error
