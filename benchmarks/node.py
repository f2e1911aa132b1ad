"""The rival of another engine: V8 in one process of node, which times its own calls."""

import json
import shutil
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from typing import Final, final

import trio

from benchmarks.guests import guest
from benchmarks.measure import Side
from benchmarks.row import Effort, Unmeasurable
from ipvm.engine import text_to_module

__all__ = ["NODE", "V8", "node_path", "node_version", "open_v8"]

NODE: Final = "node"
_ANSWER_SECONDS_MAX: Final = 60.0
_ANSWER_BYTES_MAX: Final = 4096


def node_path() -> str:
    """Find node.

    Raises:
        Unmeasurable: It is not installed.
    """
    found = shutil.which(NODE)
    if found is None:
        raise Unmeasurable("node is not installed, so V8 is beside nothing here")
    return found


def node_version() -> str:
    """Give the version of node, for the report; "none" where there is no node."""
    try:
        command = [node_path(), "--version"]
    except Unmeasurable:
        return "none"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("v") if done.returncode == 0 else "none"


@final
class V8:
    """A process of node that waits for requests."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process

    async def side(self, name: str, arguments: Sequence[float]) -> tuple[Side, float]:
        """Load a guest; give the side that calls it, and what it gives."""
        module = b64encode(text_to_module(guest(name))).decode()
        loaded = await self._ask({"name": name, "wasm": module, "arguments": arguments})

        async def side(times: int) -> float:
            request = {"name": name, "arguments": arguments, "times": times}
            return (await self._ask(request))["seconds"]

        return side, loaded["result"]

    async def _ask(self, request: Mapping[str, object]) -> Mapping[str, float]:
        """Send a line, and give what the answer says.

        Raises:
            Unmeasurable: There was no answer.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        answer = b""
        try:
            with trio.fail_after(_ANSWER_SECONDS_MAX):
                await self._process.stdin.send_all(json.dumps(request).encode() + b"\n")
                while not answer.endswith(b"\n"):
                    more = await self._process.stdout.receive_some(_ANSWER_BYTES_MAX)
                    if not more:
                        raise Unmeasurable("node ended in the middle")
                    answer += more
        except (trio.TooSlowError, trio.BrokenResourceError) as silent:
            raise Unmeasurable("node does not answer") from silent
        found: Mapping[str, float] = json.loads(answer)
        return found


@asynccontextmanager
async def open_v8(effort: Effort) -> AsyncIterator[V8 | None]:
    """Start node, and end it on the way out; None, and a word on why, where that cannot be."""
    try:
        command = [node_path(), "-e", resources.files("benchmarks").joinpath("node.js").read_text()]
    except Unmeasurable as missing:
        effort.skip(str(missing))
        yield None
        return
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield V8(process)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
