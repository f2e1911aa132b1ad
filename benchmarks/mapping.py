"""The row about batches: `f.map(values)`, where calls take next to no time, and where they compute."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final

import ipvm
from benchmarks.computing import THREADS, spinners
from benchmarks.measure import OURS, Side, each_of, in_turns
from benchmarks.programs import loaded
from benchmarks.row import Effort, Line, Row
from benchmarks.stock import Stock

__all__ = ["ROWS"]

_LOOP: Final = "a loop of await"
_WORKS: Final = 8


async def mapping(effort: Effort) -> Sequence[Line]:
    """Map a function over many values, and call it on each in a loop."""
    items = effort.size(1000, 10)
    effort.tell("short calls")
    async with loaded("add") as function:
        pairs = [(number, 2) for number in range(items)]
        sides = {OURS: _mapped(function, pairs), _LOOP: _looped(function, pairs)}
        short = await in_turns({name: each_of(each, items) for name, each in sides.items()}, effort)
    effort.tell("computing")
    values = [(effort.size(10_000_000, 1000),)] * _WORKS
    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as pool:
        async with loaded("spin") as function:
            work = await in_turns(
                {
                    OURS: _mapped(function, values),
                    _LOOP: _looped(function, values),
                    THREADS: _pooled(pool, spinners(cores), values),
                },
                effort,
            )
    return [
        short.line(_LOOP, part="short calls"),
        *work.lines({_LOOP: None, THREADS: None}, part=f"{_WORKS} that compute"),
    ]


def _mapped(function: ipvm.Function, items: Sequence[tuple[int, ...]]) -> Side:
    values = [item if len(item) > 1 else item[0] for item in items]

    async def side(times: int) -> None:
        for _ in range(times):
            await function.map(values)

    return side


def _looped(function: ipvm.Function, items: Sequence[tuple[int, ...]]) -> Side:
    async def side(times: int) -> None:
        for _ in range(times):
            for item in items:
                await function(*item)

    return side


def _pooled(pool: ThreadPoolExecutor, stock: Sequence[Stock], items: Sequence[tuple[int]]) -> Side:
    """Give the side that hands each value to an instance that is free."""
    free = SimpleQueue[Stock]()
    for each in stock:
        free.put(each)

    def work(item: tuple[int]) -> None:
        instance = free.get()
        instance(*item)
        free.put(instance)

    async def side(times: int) -> None:
        for _ in range(times):
            for _done in pool.map(work, items):
                pass

    return side


ROWS: Final = (
    Row("map", "`f.map(values)` beside a loop that awaits one call after the other", mapping),
)
