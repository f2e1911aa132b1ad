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
from benchmarks.measure import OURS, Side, in_turns
from benchmarks.node import NODE, node_path
from benchmarks.row import Effort, Line, Row, optional
from benchmarks.stock import STOCK
from ipvm.engine import text_to_module
from ipvm.engine.artifacts import VARIABLE

__all__ = ["ROWS"]

_IMPORTS: Final = "python -c import"
_ANEW: Final = "nothing cached"
_SCRIPT: Final = """
import sys
from wasmtime import Engine, Instance, Module, Store
engine = Engine()
store = Store(engine)
instance = Instance(store, Module(engine, open(sys.argv[1], "rb").read()), [])
print(instance.exports(store)["f"](store, 1, 2))
"""
_NODE_SCRIPT: Final = """
const module = new WebAssembly.Module(require("node:fs").readFileSync(process.argv[1]));
console.log(new WebAssembly.Instance(module).exports.f(1, 2));
"""


async def process(effort: Effort) -> Sequence[Line]:
    """Call a published function from the shell, with and without its machine code in the cache."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = folder / "add.wasm"
        code.write_bytes(text_to_module(guest("add")))
        async with ipvm.open(store=folder / "store", cache=False) as node:
            cid = await node.put(code.read_bytes())
        environment = _environment(name) | {"IPVM_STORE": str(folder / "store"), VARIABLE: name}
        call = [sys.executable, "-m", "ipvm", "call", str(cid), "f", "1", "2"]
        sides = {
            OURS: _running(call, environment),
            _ANEW: _anew(call, environment),
            _IMPORTS: _running([sys.executable, "-c", "import wasmtime, trio"], environment, b""),
            STOCK: _running([sys.executable, "-c", _SCRIPT, str(code)], environment),
        }
        with optional(effort):
            sides[NODE] = _running([node_path(), "-e", _NODE_SCRIPT, str(code)], environment)
        rounds = await in_turns(sides, effort)
    return [
        *rounds.lines({_IMPORTS: 1.6, STOCK: None, NODE: None}),
        rounds.line(STOCK, ours=_ANEW, part=_ANEW),
    ]


def _environment(folder: str) -> dict[str, str]:
    """Let all sides find their modules compiled, as installed ones are, whatever is set here."""
    kept = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": folder}


def _running(
    command: Sequence[str], environment: Mapping[str, str], printed: bytes = b"3\n"
) -> Side:
    """Give the side that runs a command to its end."""

    async def side(times: int) -> None:
        for _ in range(times):
            done = await trio.run_process(
                list(command), env=environment, capture_stdout=True, stderr=subprocess.DEVNULL
            )
            if done.stdout != printed:
                raise RuntimeError(f"{command[0]} does not print what it should")

    return side


def _anew(command: Sequence[str], environment: Mapping[str, str]) -> Side:
    """Give the side that runs a command with an empty cache of machine code each time."""

    async def side(times: int) -> None:
        for _ in range(times):
            with tempfile.TemporaryDirectory() as folder:
                await _running(command, {**environment, VARIABLE: folder})(1)

    return side


ROWS: Final = (
    Row(
        "process",
        "`ipvm call` of a stored function, the whole process, beside one that imports"
        " wasmtime and trio",
        process,
    ),
)
