"""The row about large programs: a thousand modules that are linked to each other by CID."""

import itertools
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

import wasmtime

import ipvm
from benchmarks.measure import OURS, in_turns
from benchmarks.programs import in_memory
from benchmarks.row import Effort, Line, Row
from benchmarks.stock import FUEL, STOCK, our_engine
from ipvm.engine.artifacts import VARIABLE
from ipvm.exchange import BlockService, Offline
from ipvm.linker import plan
from ipvm.runtime import gather
from ipvm.testing import Library

__all__ = ["ROWS", "cache_in"]

_BRANCHES: Final = 2
_OTHER: Final = "another root"


class Tree:
    """Distinct modules in a tree, each of which adds what its branches give, the root last.

    Attributes:
        modules: CID and code of each module.
        names: The CID of each as text, by which others import it.
    """

    def __init__(self, size: int) -> None:
        self.library = Library()
        self.modules: list[tuple[ipvm.Cid, bytes]] = []
        for place in range(size):
            first = _BRANCHES * (size - 1 - place) + 1
            branches = [size - 1 - each for each in range(first, first + _BRANCHES) if each < size]
            cid = self.library.code(self._text(place, branches))
            self.modules.append((cid, self.library.blocks[cid].data))

        self.names = [str(cid) for cid, _ in self.modules]

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
    """Bring a program of a thousand modules to life: loaded, from cached code, and from nothing."""
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

        instances = await in_turns({OURS: ours, STOCK: rival}, effort)
    return [
        instances.line(STOCK, part="instances"),
        *await _from_cache(tree, modules, effort),
        *await _from_nothing(tree, effort),
    ]


def _link(engine: wasmtime.Engine, modules: Sequence[wasmtime.Module], tree: Tree) -> int:
    """Link by a Linker, which takes two thirds of the time that lists of imports take."""
    store = wasmtime.Store(engine)
    store.set_fuel(FUEL)
    linker = wasmtime.Linker(engine)
    instance: wasmtime.Instance | None = None
    for module, name in zip(modules, tree.names, strict=True):
        instance = linker.instantiate(store, module)
        linker.define_instance(store, name, instance)
    assert instance is not None
    function = instance.exports(store)["f"]
    assert isinstance(function, wasmtime.Func)
    result: int = function(store, 1)
    store.close()
    return result


async def _from_cache(
    tree: Tree, modules: Sequence[wasmtime.Module], effort: Effort
) -> Sequence[Line]:
    """Load it in a new node, with its machine code on the disk, and call it.

    What was loaded before is kept as a whole. A program that differs in its root alone was not: the
    code of all its modules is in the cache, and its blocks are fetched and planned.
    """
    engine = our_engine()
    store = await tree.library.store()
    roots = itertools.count()

    async def ours(times: int) -> None:
        for _ in range(times):
            async with ipvm.open(store=store) as node:
                await (await node.load(tree.root))["f"](1)

    async def other(times: int) -> None:
        for _ in range(times):
            async with ipvm.open(store=store) as node:
                root = await node.put_value(_root(tree, next(roots)).to_value())
                await (await node.load(root))["f"](1)

    with tempfile.TemporaryDirectory() as folder, cache_in(folder):
        files = [Path(folder) / f"{place}.cwasm" for place in range(len(modules))]
        for file, module in zip(files, modules, strict=True):
            file.write_bytes(module.serialize())

        async def rival(times: int) -> None:
            for _ in range(times):
                found = [wasmtime.Module.deserialize_file(engine, str(file)) for file in files]
                _link(engine, found, tree)

        rounds = await in_turns({OURS: ours, _OTHER: other, STOCK: rival}, effort)
    return [
        rounds.line(STOCK, bar=1.5, part="from cached code"),
        rounds.line(STOCK, ours=_OTHER, part=f"from cached code, {_OTHER}"),
    ]


def _root(tree: Tree, number: int) -> ipvm.Manifest:
    """Give a program of the same modules that nobody has loaded before."""
    signature = ipvm.Signature(params=("i32",), results=("i32",), doc=str(number))
    return ipvm.Manifest(code=tree.root, exports={"f": signature})


@contextmanager
def cache_in(folder: str) -> Iterator[None]:
    """Let nodes keep machine code in a folder of the benchmark."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = folder
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        if before is not None:
            os.environ[VARIABLE] = before


async def _from_nothing(tree: Tree, effort: Effort) -> list[Line]:
    """Load it in a new node without a cache, and tell where the time goes."""
    store = await tree.library.store()
    parts: dict[str, list[float]] = {"fetch and read": [], "plan": [], "load, compiling": []}
    for _ in range(min(effort.rounds, 3)):
        began = time.perf_counter()
        gathered = await gather(tree.root, BlockService(store, Offline()), limits=ipvm.Limits())
        fetched = time.perf_counter()
        plan(gathered)
        planned = time.perf_counter()
        async with ipvm.open(store=store, cache=False) as node:
            await node.load(tree.root)
        loaded = time.perf_counter()
        for part, seconds in zip(
            parts, (fetched - began, planned - fetched, loaded - planned), strict=True
        ):
            parts[part].append(seconds)
    return [Line(part=part, ours=median(seconds)) for part, seconds in parts.items()]


ROWS: Final = (
    Row(
        "link-1000",
        "a call of a program of 1000 modules, loaded and from cached code, beside bare wasmtime-py",
        link_1000,
    ),
)
