"""The row about what determinism costs: small computations in each profile and in plain wasmtime."""

from collections.abc import Sequence
from typing import Final

import wasmtime

from benchmarks.guests import guest
from benchmarks.measure import beside
from benchmarks.programs import loaded
from benchmarks.row import Effort, Line, Row
from benchmarks.stock import Stock
from ipvm.engine import PROFILES
from ipvm.model import Profile

__all__ = ["ROWS"]

_KERNELS: Final = {
    "fib": (27, 5),
    "sha256": (20_000, 1),
    "matmul": (128, 4),
    "orbit": (1_000_000, 10),
}
"""The guests, each with its argument and a small one."""


async def profile_cost(effort: Effort) -> Sequence[Line]:
    """Run each kernel in each profile."""
    return [
        await _kernel(name, effort.size(*sizes), profile, effort)
        for name, sizes in _KERNELS.items()
        for profile in PROFILES
    ]


async def _kernel(name: str, size: int, profile: Profile, effort: Effort) -> Line:
    engine = wasmtime.Engine()
    stock = Stock(engine, wasmtime.Module(engine, guest(name)))

    async def rival(times: int) -> None:
        for _ in range(times):
            stock(size)

    async with loaded(name, profile=profile) as function:
        if await function(size) != stock(size):
            raise RuntimeError(f"{name} does not give the same on both sides")

        async def ours(times: int) -> None:
            for _ in range(times):
                await function(size)

        return await beside(ours, rival, effort, part=f"{name}, {profile}")


ROWS: Final = (
    Row(
        "profile-cost",
        "a computation of some milliseconds in each profile beside plain wasmtime",
        profile_cost,
    ),
)
