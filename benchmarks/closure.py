"""The row about large programs: a thousand modules that are linked to each other by CID."""

import time
from collections.abc import Sequence
from statistics import median
from typing import Final

import wasmtime

import ipvm
from benchmarks.measure import beside
from benchmarks.programs import in_memory
from benchmarks.row import Effort, Line, Row
from benchmarks.stock import FUEL, Stock, our_engine
from ipvm.exchange import BlockService, Offline
from ipvm.linker import plan
from ipvm.runtime import gather
from ipvm.store import Memory
from ipvm.testing import Library

__all__ = ["ROWS"]

_BRANCHES: Final = 2


class Tree:
    """Distinct modules in a tree, each of which adds what its branches give, the root last.

    Attributes:
        modules: CID and code of each module.
        branches: For each module the places of those that it imports.
    """

    def __init__(self, size: int) -> None:
        self.library = Library()
        self.modules: list[tuple[ipvm.Cid, bytes]] = []
        self.branches: list[list[int]] = []
        for place in range(size):
            first = _BRANCHES * (size - 1 - place) + 1
            branches = [size - 1 - each for each in range(first, first + _BRANCHES) if each < size]
            cid = self.library.code(self._text(place, branches))
            self.modules.append((cid, self.library.blocks[cid].data))
            self.branches.append(branches)

    @property
    def root(self) -> ipvm.Cid:
        """The CID of the program."""
        return self.modules[-1][0]

    def _text(self, place: int, branches: Sequence[int]) -> str:
        imports = "".join(
            f'(import "{self.modules[each][0]}" "f" (func $f{each} (param i32) (result i32)))'
            for each in branches
        )
        body = f"(i32.add (local.get 0) (i32.const {place}))"
        for each in branches:
            body = f"(i32.add {body} (call $f{each} (local.get 0)))"
        return f'(module {imports} (func (export "f") (param i32) (result i32) {body}))'


async def link_1000(effort: Effort) -> Sequence[Line]:
    """Bring a program of a thousand modules to life and call it; then tell what loading it took."""
    tree = Tree(effort.size(1000, 20))
    engine = our_engine()
    modules = [wasmtime.Module(engine, data) for _, data in tree.modules]

    async def rival(times: int) -> None:
        for _ in range(times):
            _link(engine, modules, tree)

    async with in_memory(tree.library) as node:
        function = (await node.load(tree.root))["f"]
        if await function(1) != _link(engine, modules, tree):
            raise RuntimeError("the two sides do not do the same")

        async def ours(times: int) -> None:
            for _ in range(times):
                await function(1)

        warm = await beside(ours, rival, effort, bar=1.5)
    return [warm, *await _cold(tree, effort)]


def _link(engine: wasmtime.Engine, modules: Sequence[wasmtime.Module], tree: Tree) -> int:
    store = wasmtime.Store(engine)
    store.set_fuel(FUEL)
    linked: list[Stock] = []
    for module, branches in zip(modules, tree.branches, strict=True):
        served = [linked[each].function for each in branches]
        linked.append(Stock(engine, module, served, store=store))
    result = int(linked[-1](1))
    store.close()
    return result


async def _cold(tree: Tree, effort: Effort) -> list[Line]:
    """Load the program from its blocks, a new node each time, and tell where the time goes."""
    parts: dict[str, list[float]] = {"fetch and read": [], "plan": [], "compile": [], "load": []}
    for _ in range(min(effort.rounds, 3)):
        store = await tree.library.store()
        fetched, planned = await _before_compiling(tree, store)
        began = time.perf_counter()
        async with ipvm.open(store=store) as node:
            await node.load(tree.root)
        whole = time.perf_counter() - began
        parts["fetch and read"].append(fetched)
        parts["plan"].append(planned)
        parts["compile"].append(whole - fetched - planned)
        parts["load"].append(whole)
    return [Line(part=part, ours=median(seconds)) for part, seconds in parts.items()]


async def _before_compiling(tree: Tree, store: Memory) -> tuple[float, float]:
    limits = ipvm.Limits()
    began = time.perf_counter()
    gathered = await gather(tree.root, BlockService(store, Offline()), limits=limits)
    fetched = time.perf_counter()
    plan(gathered)
    return fetched - began, time.perf_counter() - fetched


ROWS: Final = (
    Row(
        "link-1000",
        "a call of a loaded program of 1000 modules beside linking them with bare wasmtime-py;"
        " then what loading it from its blocks takes",
        link_1000,
    ),
)
