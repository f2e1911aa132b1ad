"""Compile in child processes, so that a module which costs too much ends a child and not this process.

A child serves one request after the other and is kept for the next one, so that starting it is paid
once. It is killed when its request is cancelled, when it says that it is worn, and when the helper is
closed; it ends by itself when this process does. Children that die are told apart: one that met a
limit has answered for its module, any other may have been hit by chance, and the request goes to a
fresh child, once.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, NoReturn, Self, final

import trio
import wasmtime

from ipvm.engine import compile_worker
from ipvm.engine.compile_worker import (
    ANSWER_HEAD,
    OUT_OF_MEMORY,
    REQUEST_HEAD,
    Answer,
    Request,
)
from ipvm.engine.compiler import INLINE_BYTES_MAX, ModuleSource, prepared
from ipvm.engine.module import CompiledModule, load_artifact, refusal, require_binary
from ipvm.engine.profile import SETTINGS, engine_for
from ipvm.errors import LimitExceeded, Refused
from ipvm.limits import Limits
from ipvm.model import Profile
from ipvm.model.wording import printable
from ipvm.wasm import HOW_TO_RAISE

__all__ = ["Helper"]

_BOOT: Final = "import sys; sys.path += sys.argv[1:]; import compile_worker; compile_worker.main()"
_FOLDERS: Final = (
    str(Path(compile_worker.__file__).parent),
    str(Path(wasmtime.__file__).parent.parent),
)
"""Where the program and the engine are, wherever this process found them."""
_THREADS_MAX: Final = 8
"""Threads of one child: the stack and the heap of each count against the memory of the child."""
_LAST_WORDS_BYTES_MAX: Final = 65_536
_SHOWN_MAX: Final = 400
"""Characters of the last words of a child that its parent repeats."""
_RECEIVE_BYTES: Final = 1024 * 1024

"""Machine code up to this size is loaded faster than another thread is asked to do it."""
_ATTEMPTS: Final = 2


class _Died(Exception):
    """A child ended in the middle of a request, for a reason that may not be the module."""


@final
class _Child:
    """One process, which serves one request at a time."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.pid = process.pid
        self._process = process
        self._requests = process.stdin
        self._answers = process.stdout
        self._last_words = process.stderr
        self.goes_on = False
        """Whether it has answered the last request, and takes another."""

    @classmethod
    async def start(cls) -> Self:
        """Start a process.

        Raises:
            Refused: The system does not start one.
        """
        threads = min(os.cpu_count() or 1, _THREADS_MAX)
        surroundings = os.environ | {"RAYON_NUM_THREADS": str(threads), "RUST_BACKTRACE": "0"}
        try:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-I", "-S", "-c", _BOOT, *_FOLDERS],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=surroundings,
                start_new_session=True,  # an interrupt at the terminal is for this process
            )
        except OSError as error:
            raise Refused(f"no process can be started to compile in: {error}") from error
        return cls(process)

    async def ask(self, request: Request, module: bytes) -> tuple[Answer, bytes]:
        """Send a request and give the answer.

        Raises:
            _Died: The child ended before it answered.
            LimitExceeded: It ended because it met a limit.
        """
        self.goes_on = False
        try:
            head = json.dumps(request).encode()
            await self._requests.send_all(REQUEST_HEAD.pack(len(head), len(module)) + head)
            await self._requests.send_all(module)
            kind, goes_on, size = ANSWER_HEAD.unpack(await self._receive(ANSWER_HEAD.size))
            contents = await self._receive(size)
        except (trio.BrokenResourceError, EOFError):
            await self._explain(request)
        self.goes_on = bool(goes_on)
        return Answer(kind), contents

    async def _receive(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            part = await self._answers.receive_some(min(size - len(received), _RECEIVE_BYTES))
            if not part:
                raise EOFError
            received += part
        return bytes(received)

    async def _explain(self, request: Request) -> NoReturn:
        code = await self._process.wait()
        words = (await self._last_words.receive_some(_LAST_WORDS_BYTES_MAX)).decode(
            errors="replace"
        )
        if code == -signal.SIGXCPU:
            raise _exceeded("compile_seconds_max", request["processor_seconds"])
        if any(sign in words for sign in OUT_OF_MEMORY):
            raise _exceeded("compile_memory_bytes_max", request["memory_bytes"])
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise _Died(f"{cause} {printable(words)[:_SHOWN_MAX]}".strip())

    async def end(self) -> None:
        """End the process, whatever it is doing. It cannot be cancelled, and takes no time."""
        with trio.CancelScope(shield=True):
            self._process.kill()
            await self._process.wait()
            for stream in (self._requests, self._answers, self._last_words):
                await stream.aclose()


@final
class Helper:
    """Compiles in child processes, as many at once as there are processors. Close it at the end."""

    def __init__(self, *, limits: Limits) -> None:
        self._limits = limits
        self._turns = trio.CapacityLimiter(os.cpu_count() or 1)
        self._idle: list[_Child] = []
        self._busy: list[_Child] = []
        self._closed = False

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(self, *_failure: object) -> None:
        self._closed = True
        while self._idle:
            await self._idle.pop().end()

    @property
    def processes(self) -> tuple[int, ...]:
        """The numbers of the processes that there are, those that wait for work first."""
        return tuple(child.pid for child in (*self._idle, *self._busy))

    async def compile(self, source: ModuleSource, profile: Profile) -> CompiledModule:
        """Compile a module; see `ipvm.engine.compiler.Compiler`.

        Raises:
            LimitExceeded: It takes more memory or time than it may, or is too large when compiled.
            Refused: No process can be started, or two in turn died.
        """
        request = Request(
            settings=SETTINGS[profile],
            memory_bytes=self._limits.compile_memory_bytes_max,
            processor_seconds=self._limits.compile_seconds_max,
            artifact_bytes=self._limits.artifact_bytes_max,
        )
        module = await prepared(source)
        require_binary(module)
        answer, contents = await self._ask(request, module)
        if answer is Answer.COMPILED:
            return await _load(profile, contents)
        if answer is Answer.REFUSED:
            raise refusal(contents.decode())
        if answer is Answer.TOO_LARGE:
            raise _exceeded("artifact_bytes_max", request["artifact_bytes"], found=int(contents))
        raise _exceeded("compile_memory_bytes_max", request["memory_bytes"])

    async def _ask(self, request: Request, module: bytes) -> tuple[Answer, bytes]:
        causes: list[str] = []
        async with self._turns:
            while len(causes) < _ATTEMPTS:
                child = self._idle.pop() if self._idle and not causes else await _Child.start()
                self._busy.append(child)
                try:
                    return await child.ask(request, module)
                except _Died as died:
                    causes.append(str(died))
                finally:
                    await self._put_back(child)
        raise Refused(f"each of two processes died while it compiled: {'; '.join(causes)}")

    async def _put_back(self, child: _Child) -> None:
        self._busy.remove(child)
        if child.goes_on and not self._closed:
            self._idle.append(child)
        else:
            await child.end()


async def _load(profile: Profile, artifact: bytes) -> CompiledModule:
    engine = engine_for(profile)
    if len(artifact) <= INLINE_BYTES_MAX:
        return load_artifact(engine, artifact)
    return await trio.to_thread.run_sync(load_artifact, engine, artifact)


def _exceeded(limit: str, maximum: int, *, found: int | None = None) -> LimitExceeded:
    return LimitExceeded(limit, maximum, found=found, how=HOW_TO_RAISE)
