"""The row about compiling once: a first load, one from the cache, and one of what is at hand."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import wasmtime

import ipvm
from benchmarks.closure import cache_in
from benchmarks.measure import OURS, Side, in_turns
from benchmarks.row import Effort, Line, Row
from benchmarks.stock import STOCK, our_engine
from ipvm.testing import Library

__all__ = ["ROWS"]

_PLAIN: Final = "wasmtime-py, bare settings"


async def compiling(effort: Effort) -> Sequence[Line]:
    """Load a module of some hundred kilobytes, and a small one."""
    lines: list[Line] = []
    for part, functions in (("large", effort.size(1500, 5)), ("small", 1)):
        effort.tell(part)
        with tempfile.TemporaryDirectory() as folder:
            lines += await _module(part, _text(functions), Path(folder), effort)
    return lines


def _text(functions: int) -> str:
    """Give a module of that many functions, each with a loop of its own."""
    body = """(func (export "f{n}") (param $x i32) (result i32) (local $i i32)
      (loop $again
        (local.set $x (i32.add (i32.mul (local.get $x) (i32.const {n})) (local.get $i)))
        (if (i32.and (local.get $x) (i32.const 64))
          (then (local.set $x (i32.xor (local.get $x) (i32.rotl (local.get $x) (local.get $i)))))
          (else (i32.store (i32.and (local.get $x) (i32.const 0xfffc)) (local.get $i))))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
          (i32.load (i32.and (local.get $x) (i32.const 0xfffc))))))
      (local.get $x))"""
    return "(module (memory 1)" + "".join(body.format(n=n) for n in range(functions)) + ")"


async def _module(part: str, text: str, folder: Path, effort: Effort) -> list[Line]:
    library = Library()
    cid = library.code(text)
    data = library.blocks[cid].data
    store = await library.store()
    size = f"{part}, {len(data) / 1000:.0f} kB"
    compiled = {
        OURS: _first(store, cid),
        STOCK: _compiling(our_engine(), data),
        _PLAIN: _compiling(wasmtime.Engine(), data),
    }
    lines = (await in_turns(compiled, effort)).lines({STOCK: None, _PLAIN: None}, part=size)
    read = _reading(data, folder)
    rounds = await in_turns({OURS: _cached(store, cid, folder), STOCK: read}, effort)
    lines.append(rounds.line(STOCK, part=f"{part}, from the cache"))
    async with ipvm.open(store=store, cache=False) as node:
        rounds = await in_turns({OURS: _at_hand(node, cid), STOCK: read}, effort)
    return [*lines, rounds.line(STOCK, part=f"{part}, at hand")]


def _first(store: ipvm.Blockstore, cid: ipvm.Cid) -> Side:
    """Give the side that loads a program in a new node, with nothing in the cache."""

    async def side(times: int) -> None:
        for _ in range(times):
            with tempfile.TemporaryDirectory() as empty, cache_in(empty):
                await _load(store, cid)

    return side


def _cached(store: ipvm.Blockstore, cid: ipvm.Cid, folder: Path) -> Side:
    """Give the side that loads a program in a new node, with its machine code on the disk."""

    async def side(times: int) -> None:
        with cache_in(str(folder)):
            for _ in range(times):
                await _load(store, cid)

    return side


def _at_hand(node: ipvm.Node, cid: ipvm.Cid) -> Side:
    """Give the side that loads a program that its node has loaded before."""

    async def side(times: int) -> None:
        for _ in range(times):
            await node.load(cid)

    return side


async def _load(store: ipvm.Blockstore, cid: ipvm.Cid) -> None:
    async with ipvm.open(store=store) as node:
        await node.load(cid)


def _compiling(engine: wasmtime.Engine, data: bytes) -> Side:
    async def side(times: int) -> None:
        for _ in range(times):
            wasmtime.Module(engine, data)

    return side


def _reading(data: bytes, folder: Path) -> Side:
    """Give the side that maps machine code from a file, and trusts it."""
    engine = our_engine()
    file = str(folder / "module.cwasm")
    Path(file).write_bytes(wasmtime.Module(engine, data).serialize())

    async def side(times: int) -> None:
        for _ in range(times):
            wasmtime.Module.deserialize_file(engine, file)

    return side


ROWS: Final = (
    Row(
        "compile",
        "a first load, one from the cache and one of what is at hand beside stock wasmtime-py",
        compiling,
    ),
)
