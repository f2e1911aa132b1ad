"""The row about instances: how long it takes to have a program alive, and to be rid of it."""

from collections.abc import Sequence
from typing import Final

import wasmtime

import ipvm
from benchmarks.guests import guest
from benchmarks.measure import OURS, Side, in_turns
from benchmarks.row import Effort, Line, Row
from benchmarks.stock import STOCK
from ipvm.engine import InProcess
from ipvm.exchange import BlockService, Offline
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT
from ipvm.linker import CompiledProgram
from ipvm.runtime import Runtime
from ipvm.testing import Library

__all__ = ["ROWS"]


async def instantiate(effort: Effort) -> Sequence[Line]:
    """Make a store and an instance, and free both."""
    lines: list[Line] = []
    for part, name in (("numbers only", "add"), ("a memory", "echo_memory"), ("blocks", "echo")):
        effort.tell(part)
        ours = _ours(await _compiled(name), blocks=name == "echo")
        rounds = await in_turns({OURS: ours, STOCK: _stock(name)}, effort)
        lines.append(rounds.line(STOCK, part=part))
    return lines


async def _compiled(name: str) -> CompiledProgram:
    library = Library()
    cid = library.code(guest(name))
    blocks = BlockService(await library.store(), Offline())
    runtime = Runtime(
        blocks,
        compiler=InProcess(),
        bundles=None,
        limits=ipvm.Limits(),
        on_log=lambda _cid, _text: None,
    )
    return (await runtime.load(cid, "deterministic")).program


def _ours(program: CompiledProgram, *, blocks: bool) -> Side:
    async def side(times: int) -> None:
        for _ in range(times):
            linked = program.open(fuel=FUEL_DEFAULT, memory=MEMORY_DEFAULT, blocks=blocks)
            linked.build()
            linked.close()

    return side


def _stock(name: str) -> Side:
    """Give the side that instantiates by a Linker, which holds the host functions, if any."""
    engine = wasmtime.Engine()
    module = wasmtime.Module(engine, guest(name))
    linker = wasmtime.Linker(engine)
    for wanted in module.imports:
        assert isinstance(wanted.type, wasmtime.FuncType)
        assert wanted.name is not None
        linker.define_func(wanted.module, wanted.name, wanted.type, lambda *_arguments: 0)

    async def side(times: int) -> None:
        for _ in range(times):
            store = wasmtime.Store(engine)
            linker.instantiate(store, module).exports(store)["f"]
            store.close()

    return side


ROWS: Final = (
    Row(
        "instantiate",
        "a store and an instance, made and freed, beside the same by a Linker of wasmtime-py",
        instantiate,
    ),
)
