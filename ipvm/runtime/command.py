"""Run a WASI command: files and folders by CID go in, and what it writes comes out as CIDs.

What it is given is an invocation, and what comes of it a receipt, as of any other call. Its value is
the exit code and the CIDs of what was written.
"""

from contextlib import closing
from dataclasses import dataclass
from typing import Final, NamedTuple, final

import trio

from ipvm.engine import CallShape, EngineFault, Trap, call
from ipvm.errors import GuestError, InvalidArguments
from ipvm.files import NodeSource
from ipvm.files.directory import directory
from ipvm.files.profiles import V1_2025
from ipvm.host import Ended
from ipvm.host.wasi.folder import Folder
from ipvm.host.wasi.origin import Wanted
from ipvm.host.wasi.process import Process, Setting
from ipvm.host.wasi.publishing import publish_file, publish_folder
from ipvm.ipld import Block, Cid, Value
from ipvm.linker import LinkedStore
from ipvm.model import COMMAND_EXPORT, Command, InvalidRecord, Signature
from ipvm.runtime.backtrace import failure_of
from ipvm.runtime.command_result import CommandResult
from ipvm.runtime.entry import Entry
from ipvm.runtime.mounting import environment, mounts_of, standard_input
from ipvm.runtime.options import CallOptions
from ipvm.runtime.reading import Reading
from ipvm.runtime.records import invocation_block, keep_receipt, outcome
from ipvm.runtime.run import Run
from ipvm.runtime.runtime import Runtime
from ipvm.runtime.spool import Listen, Spool
from ipvm.runtime.task import Task, fuel_used, task_of
from ipvm.wasm import FuncType

__all__ = ["Streams", "run_command"]

_NAME: Final = "main"
"""What a command is told to be called."""
_NOTHING: Final = CallShape((), ())
_KEPT_NODES_BYTES: Final = 8 * 1024 * 1024
"""Folders and inner nodes of files that need not be read twice while a command runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Who listens while a command runs.

    Attributes:
        stdout: Takes what it writes to standard output, as it comes.
        stderr: Likewise of standard error.
    """

    stdout: Listen | None = None
    stderr: Listen | None = None


async def run_command(
    runtime: Runtime,
    root: Cid,
    arguments: tuple[str, ...],
    command: Command,
    options: CallOptions,
    streams: Streams,
) -> CommandResult:
    """Run a command, and store what came of it. Cancelling stops it.

    Raises:
        InvalidArguments: The program is no command, or it cannot be given that.
        IpvmError: What is wrong with this runner.
    """
    loaded = await runtime.load(root, options.profile)
    program = loaded.program
    start = program.plan.root.info.export(COMMAND_EXPORT)
    if start is None or start.type != FuncType(params=(), results=()):
        how = f"it has no {COMMAND_EXPORT} without parameters; `ipvm call` calls functions"
        raise InvalidArguments(f"{root} is no command: {how}")
    entry = Entry(program, COMMAND_EXPORT, Signature(params=(), results=()))
    try:
        invocation = invocation_block(
            options,
            run=program.plan.root.cid,
            func=COMMAND_EXPORT,
            args=[_NAME, *arguments],
            profile=program.profile,
            wasi=command,
        )
    except InvalidRecord as error:
        raise InvalidArguments(f"{error.path}: {error.problem}") from error
    tree = runtime.run()
    run = _CommandRun(runtime, tree, task_of(entry, options), streams)
    try:
        ended = await run.result(invocation, [_NAME, *arguments], command)
    finally:
        await tree.release()
    kept = await keep_receipt(
        runtime.blocks,
        [invocation],
        outcome(ended.value, ended.failure),
        fuel=ended.fuel,
        reads=run.reads,
        program=program,
    )
    return CommandResult(
        cid=kept.cid,
        invocation=invocation.cid,
        error=ended.failure,
        fuel=ended.fuel,
        reads=kept.reads,
        record=kept.record,
    )


class _Ended(NamedTuple):
    """What a command came to: what stands in its record, or how it failed; and its fuel."""

    value: Value
    failure: GuestError | None
    fuel: int | None


@final
class _CommandRun:
    """One run of a command."""

    def __init__(self, runtime: Runtime, run: Run, task: Task, streams: Streams) -> None:
        self._runtime = runtime
        self._run = run
        self._task = task
        self._streams = streams
        self._reading = Reading(run)
        self._nodes = NodeSource(self._reading, kept_bytes_max=_KEPT_NODES_BYTES)

    @property
    def reads(self) -> set[Cid]:
        return self._run.reads

    async def result(self, invocation: Block, arguments: list[str], command: Command) -> _Ended:
        """Run it."""
        mounts = await mounts_of(command, self._nodes)
        stdin = await standard_input(command, self._nodes)
        bytes_max = self._runtime.limits.made_bytes_max
        with (
            closing(Spool(self._streams.stdout, bytes_max=bytes_max)) as out,
            closing(Spool(self._streams.stderr, bytes_max=bytes_max)) as err,
        ):
            setting = Setting(
                arguments=[each.encode() for each in arguments],
                environ=environment(command.env),
                mounts=mounts,
                stdin=stdin,
                stdout=out.write,
                stderr=err.write,
                seed=invocation.cid.digest,
                written_bytes_max=bytes_max,
            )
            async with self._reading.ahead():
                ended = await self._lived(setting, command, (out, err))
        if self._run.obstacle is not None:
            raise self._run.obstacle
        if ended.failure is None:
            await self._run.store()
        return ended

    @trio.lowlevel.enable_ki_protection  # else an interrupt may leave a store open
    async def _lived(
        self, setting: Setting, command: Command, spools: tuple[Spool, Spool]
    ) -> _Ended:
        task = self._task
        program = task.entry.program
        linked = program.open(fuel=task.fuel, memory=task.memory, blocks=False)
        try:
            process = linked.begin_process(setting) if program.calls_wasi else None
            if process is not None and command.workdir is not None:
                await _begin_in(process, command.workdir)
            code = await self._exit_code(linked)
            fuel = fuel_used(task.fuel, linked.store)
            stdout, stderr = [await self._kept(spool) for spool in spools]
            outputs: dict[str, Value] = {
                path: await self._kept_folder(process, path, command.mounts.get(path))
                for path in command.outputs
            }
            value: Value = {"exit": code, "stdout": stdout, "stderr": stderr, "outputs": outputs}
            return _Ended(value, None, fuel)
        except GuestError as failure:
            return _Ended(None, failure, failure.fuel_used)
        finally:
            linked.close()

    async def _exit_code(self, linked: LinkedStore) -> int:
        """Run the guests.

        Raises:
            GuestError: They ended without an exit code.
            Refused: What this runner has did not suffice.
        """
        task, program = self._task, self._task.entry.program
        try:
            linked.serve(self._runtime.executor(self._run).services(task))
            if program.initializes:
                await linked.initialize()
            else:
                linked.build()
            function = linked.export(task.entry.export)
            linked.enter()
            await call(linked.store, function, _NOTHING, ())
            linked.settle()
            return 0
        except (Trap, EngineFault, GuestError, Ended) as ended:
            final = linked.settled(ended)
            if isinstance(final, Ended):
                return final.code
            used = fuel_used(task.fuel, linked.store, final)
            raise failure_of(final, program.plan, fuel_used=used) from ended

    async def _kept(self, spool: Spool) -> Cid:
        return (await publish_file(spool.pieces(), self._runtime.blocks.put_many)).cid

    async def _kept_folder(self, process: Process | None, path: str, given: Cid | None) -> Cid:
        """Give what an output came to: without WASI, nothing has changed."""
        if process is None and given is not None:
            await trio.lowlevel.checkpoint()
            return given
        keep = self._runtime.blocks.put_many
        if process is not None:
            return (await publish_folder(process.roots[path.encode()], keep)).cid
        written, blocks = directory([], V1_2025)
        await keep(blocks)
        return written.cid


async def _begin_in(process: Process, path: str) -> None:
    """Have relative paths begin in a folder.

    Raises:
        InvalidArguments: There is no such folder.
        IpvmError: What it stands in cannot be had.
    """
    found: Folder | None = None
    is_known = False
    while not is_known:
        try:
            found = process.find(path.encode())
            is_known = True
        except Wanted as wanted:
            await wanted.fetch()
    if found is None:
        how = "mount one, or make it an output"
        raise InvalidArguments(f"there is no folder {path} to work in: {how}")
    process.begin_in(found)
