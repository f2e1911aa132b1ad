"""Rows about WASI commands: what a call costs, and reading a large file."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import wasmtime

import ipvm
from benchmarks.guests import guest
from benchmarks.measure import OURS, Side, in_turns
from benchmarks.row import Effort, Line, Row
from ipvm.engine import text_to_module
from ipvm.ipld import Cid

__all__ = ["ROWS"]

_STOCK: Final = "wasmtime's own WASI"
_MEBIBYTE: Final = 1024 * 1024
_CALL_SECONDS: Final = 2e-6
_CALLS: Final = {
    "fd_tell": "call $fd_tell (i32.load (i32.const 32)) (i32.const 64)",
    "fd_fdstat_get": "call $fd_fdstat_get (i32.load (i32.const 32)) (i32.const 64)",
    "fd_filestat_get": "call $fd_filestat_get (i32.load (i32.const 32)) (i32.const 64)",
    "fd_seek": "call $fd_seek (i32.load (i32.const 32)) (i64.const 9) (i32.const 0) (i32.const 64)",
    "fd_pread, 64 bytes": "call $fd_pread (i32.load (i32.const 32)) (i32.const 0) (i32.const 1) "
    "(i64.const 0) (i32.const 64)",
    "fd_write, 64 bytes": "call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)",
    "clock_time_get": "call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 64)",
}


async def wasi_call(effort: Effort) -> Sequence[Line]:
    """Make calls that need no block, many in one run; what the run itself takes is taken off."""
    lines: list[Line] = []
    count = effort.size(20_000, 10)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").write_bytes(bytes(64 * 1024))
        async with ipvm.open(store=folder / "store") as node:
            data = await node.add(folder / "data")
            for part, call in _CALLS.items():
                effort.tell(part)
                text = guest("wasi_calls").replace("CALL", call)
                sides: dict[str, Side] = {}
                for ours, times in ((OURS, count), ("nothing", 1)):
                    code = text_to_module(text.replace("COUNT", str(times)))
                    sides[ours] = _ours(node, await node.put(code), data)
                    sides[f"{_STOCK}, {ours}"] = _stock(code, folder)
                measured = (await in_turns(sides, effort)).seconds
                lines.append(_difference(measured, part, count))
    return lines


def _difference(seconds: Mapping[str, Sequence[float]], part: str, count: int) -> Line:
    def each(side: str, nothing: str) -> float:
        pairs = zip(seconds[side], seconds[nothing], strict=True)
        return median([(whole - idle) / count for whole, idle in pairs])

    ours = each(OURS, "nothing")
    rival = each(f"{_STOCK}, {OURS}", f"{_STOCK}, nothing")
    return Line(
        part=part,
        ours=ours,
        rival=rival,
        beside=_STOCK,
        ratio=ours / rival,
        bar=_CALL_SECONDS,
        bar_on="ours",
    )


async def wasi_read(effort: Effort) -> Sequence[Line]:
    """Read a file to its end in a command: ours by CID, theirs from the disk."""
    size = effort.size(256, 1) * _MEBIBYTE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "data").open("wb") as file:
            for _ in range(size // _MEBIBYTE):
                file.write(os.urandom(_MEBIBYTE))
        async with ipvm.open(store=folder / "store") as node:
            data = await node.add(folder / "data")
            code = text_to_module(guest("wasi_sum"))
            sides = {OURS: _ours(node, await node.put(code), data), _STOCK: _stock(code, folder)}
            return [(await in_turns(sides, effort)).line(_STOCK, bar=2)]


def _ours(node: ipvm.Node, command: Cid, data: Cid) -> Side:
    async def side(times: int) -> None:
        for _ in range(times):
            result = await node.run(command, mounts={"/d/data": data}, pin=False)
            assert result.exit == 0

    return side


def _stock(code: bytes, folder: Path) -> Side:
    engine = wasmtime.Engine()
    module = wasmtime.Module(engine, code)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()

    async def side(times: int) -> None:
        for _ in range(times):
            store = wasmtime.Store(engine)
            config = wasmtime.WasiConfig()
            config.preopen_dir(str(folder), "/d")
            config.stdout_file = os.devnull
            store.set_wasi(config)
            start = linker.instantiate(store, module).exports(store)["_start"]
            assert isinstance(start, wasmtime.Func)
            start(store)

    return side


ROWS: Final = (
    Row("wasi-call", "a call of WASI that needs no block, beside wasmtime's own", wasi_call),
    Row(
        "wasi-read", "a WASI command reads 256 MiB by CID, beside one that reads a disk", wasi_read
    ),
)
