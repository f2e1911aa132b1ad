"""Rows about what determinism costs: computations in both profiles, in plain wasmtime, and in V8.

What one setting costs is told by stock wasmtime-py on engines that differ in that setting alone, so
that nothing of ours is in it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import wasmtime

from benchmarks.calls import calls_of
from benchmarks.guests import guest
from benchmarks.measure import Side, in_turns
from benchmarks.node import NODE, open_v8
from benchmarks.programs import loaded
from benchmarks.row import Effort, Line, Row
from benchmarks.stock import FUEL, STOCK, Number, Stock
from ipvm.engine import PROFILES

__all__ = ["KERNELS", "ROWS", "SETTINGS", "Kernel"]

SETTINGS: Final[Mapping[str, str]] = {
    "plain wasmtime, fuel": "consume_fuel",
    "plain wasmtime, NaN": "cranelift_nan_canonicalization",
    "plain wasmtime, epochs": "epoch_interruption",
}
"""What our engines switch on, each by itself: counted fuel, one form for NaN, a way to stop."""
_HASHLIB: Final = "hashlib"
_FAR: Final = 2**62


@dataclass(frozen=True, slots=True)
class Kernel:
    """A computation: the guest of that name, and how much of it.

    Attributes:
        name: The guest.
        about: What it mostly does.
        size: Its argument, for some milliseconds.
        small: A small one.
    """

    name: str
    about: str
    size: int
    small: int

    async def measure(self, effort: Effort) -> Sequence[Line]:
        """Run it on all engines in turns."""
        size = effort.size(self.size, self.small)
        plain = _stock(self.name, wasmtime.Config())
        sides: dict[str, Side] = {STOCK: plain.side(size)}
        for part, setting in SETTINGS.items():
            sides[part] = _stock(self.name, _with(setting), setting).side(size)
        if self.name == "sha256":
            sides[_HASHLIB] = _digest(size)
        answer = plain.stock(size)
        async with (
            loaded(self.name) as deterministic,
            loaded(self.name, profile="fast") as fast,
            open_v8(effort) as v8,
        ):
            _require(await deterministic(size), answer)
            _require(await fast(size), answer)
            sides |= {"deterministic": calls_of(deterministic, size), "fast": calls_of(fast, size)}
            if v8 is not None:
                sides[NODE], theirs = await v8.side(self.name, (size,))
                _require(theirs, answer)
            rounds = await in_turns(sides, effort)
        lines: list[Line] = []
        for profile in PROFILES:
            rivals = {STOCK: None, "deterministic": None, NODE: None, _HASHLIB: None}
            rivals.pop(profile, None)
            lines += rounds.lines(rivals, ours=profile, part=profile)
        return lines + [rounds.line(STOCK, ours=part, part=part) for part in SETTINGS]


@dataclass(frozen=True, slots=True)
class _Plain:
    """A living instance in stock wasmtime-py."""

    stock: Stock

    def side(self, size: int) -> Side:
        function, store = self.stock.function, self.stock.store

        async def side(times: int) -> None:
            for _ in range(times):
                function(store, size)

        return side


def _stock(name: str, config: wasmtime.Config, setting: str = "") -> _Plain:
    engine = wasmtime.Engine(config)
    store = wasmtime.Store(engine)
    if setting == "consume_fuel":
        store.set_fuel(FUEL)
    if setting == "epoch_interruption":
        store.set_epoch_deadline(_FAR)
    return _Plain(Stock(engine, wasmtime.Module(engine, guest(name)), store=store))


def _with(setting: str) -> wasmtime.Config:
    config = wasmtime.Config()
    setattr(config, setting, True)
    return config


def _digest(blocks: int) -> Side:
    """Give the side that compresses as many blocks in the processor's own instructions."""
    data = bytes(64 * blocks)

    async def side(times: int) -> None:
        for _ in range(times):
            hashlib.sha256(data).digest()

    return side


def _require(found: object, wanted: Number) -> None:
    if found != wanted:
        raise RuntimeError(f"a side gives {found!r}, another one {wanted!r}")


KERNELS: Final = (
    Kernel("fib", "calls", 31, 5),
    Kernel("sha256", "integers", 20_000, 1),
    Kernel("nbody", "doubles, divided and rooted", 100_000, 1),
    Kernel("matmul", "doubles in memory", 128, 4),
    Kernel("orbit", "doubles in registers", 1_000_000, 10),
)
ROWS: Final = tuple(
    Row(
        kernel.name,
        f"some milliseconds of {kernel.about}: each profile beside plain wasmtime and V8",
        kernel.measure,
    )
    for kernel in KERNELS
)
