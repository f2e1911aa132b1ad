"""The row about the command line: a whole process, from its start to its exit."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import trio

import ipvm
from benchmarks.guests import guest
from benchmarks.measure import beside
from benchmarks.row import Effort, Line, Row
from ipvm.engine import text_to_module
from ipvm.engine.artifacts import VARIABLE

__all__ = ["ROWS"]


async def process(effort: Effort) -> Sequence[Line]:
    """Call a published function from the shell."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        async with ipvm.open(store=store, cache=False) as node:
            cid = await node.put(text_to_module(guest("add")))
        environment = _environment(folder) | {"IPVM_STORE": str(store), VARIABLE: folder}
        call = [sys.executable, "-m", "ipvm", "call", str(cid), "f", "1", "2"]
        load = [sys.executable, "-c", "import wasmtime, trio"]
        if await _run(call, environment) != b"3\n":
            raise RuntimeError("the call does not give what it should")

        async def ours(times: int) -> None:
            for _ in range(times):
                await _run(call, environment)

        async def rival(times: int) -> None:
            for _ in range(times):
                await _run(load, environment)

        return [await beside(ours, rival, effort, bar=1.6)]


def _environment(folder: str) -> dict[str, str]:
    """Let both sides find their modules compiled, as installed ones are, whatever is set here."""
    kept = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": folder}


async def _run(command: Sequence[str], environment: Mapping[str, str]) -> bytes:
    done = await trio.run_process(
        list(command), env=environment, capture_stdout=True, stderr=subprocess.DEVNULL
    )
    return done.stdout


ROWS: Final = (
    Row(
        "process",
        "`ipvm call` of a stored function, the whole process, beside one that imports"
        " wasmtime and trio",
        process,
    ),
)
