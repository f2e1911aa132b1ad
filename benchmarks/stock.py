"""The rival of most rows: wasmtime by the classes of its Python package, as its README shows it."""

from collections.abc import Sequence
from typing import Final, TypeAlias

import wasmtime

from benchmarks.guests import guest
from benchmarks.measure import Side
from ipvm.engine import engine_for

__all__ = ["FUEL", "STOCK", "Number", "Stock", "calling", "our_engine"]

STOCK: Final = "wasmtime-py"
Number: TypeAlias = int | float
FUEL: Final = 10**15
"""More than any row uses up."""


def our_engine() -> wasmtime.Engine:
    """Give the engine of the deterministic profile, for rivals that run under the same settings."""
    return engine_for("deterministic").wasmtime


class Stock:
    """A store with one instance, and the function `f` of it."""

    def __init__(
        self,
        engine: wasmtime.Engine,
        module: wasmtime.Module,
        imports: Sequence[wasmtime.Func] = (),
        *,
        store: wasmtime.Store | None = None,
        metered: bool = False,
    ) -> None:
        self.store = wasmtime.Store(engine) if store is None else store
        if metered and store is None:
            self.store.set_fuel(FUEL)
        self._exports = wasmtime.Instance(self.store, module, list(imports)).exports(self.store)
        function = self._exports["f"]
        assert isinstance(function, wasmtime.Func)
        self.function = function

    def __call__(self, *arguments: Number) -> Number:
        """Call the function."""
        result: Number = self.function(self.store, *arguments)
        return result

    @property
    def memory(self) -> wasmtime.Memory:
        """The memory that the instance exports."""
        memory = self._exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        return memory


def calling(name: str, *arguments: Number) -> Side:
    """Give the side that calls the function `f` of one living instance."""
    engine = wasmtime.Engine()
    stock = Stock(engine, wasmtime.Module(engine, guest(name)))
    function, store = stock.function, stock.store

    async def side(times: int) -> None:
        for _ in range(times):
            function(store, *arguments)

    return side
