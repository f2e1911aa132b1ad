"""Run a command on what Python has at hand: CIDs, paths of trees, files and folders of this machine.

What is not content yet is added first, so that a run is a function of CIDs alone.
"""

import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeAlias, TypedDict, Unpack, final

import trio

from ipvm.errors import InvalidArguments, InvalidData
from ipvm.exchange import Pins
from ipvm.files import Files, parse_tree_path
from ipvm.files.adding import add
from ipvm.ipld import Cid
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT
from ipvm.model import Command, InvalidRecord, Profile
from ipvm.runtime.command import CommandResult, Streams, run_command
from ipvm.runtime.options import CallOptions
from ipvm.runtime.runtime import Runtime
from ipvm.runtime.spool import Listen
from ipvm.store import Pin

__all__ = ["OUTPUTS", "CommandResult", "Commands", "Content", "Listen", "RunOptions"]

Content: TypeAlias = Cid | str | Path | bytes | AsyncIterable[bytes]
"""A CID; as text, `CID/a/b` or a path of this machine; a path of this machine; or the bytes of a file,
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
    stdout: Listen
    """Takes what it writes to standard output, as it comes; on any thread."""
    stderr: Listen
    """Likewise of standard error."""
    pin: bool
    """Keep the record, and what it names, from being collected as garbage; True without."""
    on_added: Callable[[str, Cid], None]
    """Is told what of this machine was added, by its path, and its CID."""


@final
class Commands:
    """Runs commands for a node."""

    def __init__(self, runtime: Runtime, files: Files, pins: Pins) -> None:
        self._runtime = runtime
        self._files = files
        self._pins = pins

    async def run(
        self, root: Cid, arguments: Sequence[str], **options: Unpack[RunOptions]
    ) -> CommandResult:
        """Run a command, and give what it came to; see `Node.run`."""
        await trio.lowlevel.checkpoint()
        bounds = CallOptions(
            fuel=options.get("fuel", FUEL_DEFAULT),
            memory=options.get("memory", MEMORY_DEFAULT),
            profile=options.get("profile", "deterministic"),
        )
        streams = Streams(stdout=options.get("stdout"), stderr=options.get("stderr"))
        async with self._lease():
            command = await self._command(options)
            result = await run_command(
                self._runtime, root, tuple(arguments), command, bounds, streams
            )
            if options.get("pin", True) and self._pins.are_kept:
                await self._pins.keep(Pin(cid=result.cid, reach="partial"))
        return result

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[None]:
        if not self._pins.are_kept:
            yield
            return
        async with self._pins.lease():
            yield

    async def _command(self, options: RunOptions) -> Command:
        told = options.get("on_added", lambda _path, _cid: None)
        mounts = dict(options.get("mounts", {}))
        if "input" in options:
            mounts |= dict.fromkeys(INPUTS, await self._folder(options["input"], told))
        stdin = options.get("stdin")
        try:
            return Command(
                env=dict(options.get("env", {})),
                mounts={path: await self._cid(each, told) for path, each in mounts.items()},
                stdin=None if stdin is None else await self._cid(stdin, told),
                workdir=options.get("workdir"),
                outputs=tuple(sorted({OUTPUTS, *options.get("outputs", ())}, key=os.fsencode)),
            )
        except InvalidRecord as error:
            raise InvalidArguments(f"{error.path}: {error.problem}") from error

    async def _folder(self, content: Content, told: Callable[[str, Cid], None]) -> Cid:
        cid = await self._cid(content, told)
        kind = (await self._files.stat(cid)).kind
        if kind != "directory":
            how = f"mount it, at a path such as {INPUTS[0]}/NAME"
            raise InvalidArguments(f"the input is a folder, and {cid} is a {kind}: {how}")
        return cid

    async def _cid(self, content: Content, told: Callable[[str, Cid], None]) -> Cid:
        if isinstance(content, Cid):
            return content
        if isinstance(content, str):
            try:
                path = parse_tree_path(content)
            except InvalidData as error:
                if not os.path.lexists(content):
                    msg = f"{content!a} is neither a file or folder here, nor a CID: {error}"
                    raise InvalidArguments(msg) from error
            else:
                return (await self._files.resolve(path)).node.cid
        cid = await add(content, self._runtime.blocks, self._pins, pin=False)
        if isinstance(content, str | Path):
            told(os.fspath(content), cid)
        return cid
