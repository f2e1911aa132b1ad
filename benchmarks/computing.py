"""Rows about guests that compute: how many at once, what the loop still does, and ending them."""

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Final

import trio
import wasmtime

import ipvm
from benchmarks.guests import guest
from benchmarks.measure import OURS, Rounds, Side, in_turns, percentile
from benchmarks.programs import loaded
from benchmarks.row import Effort, Line, Row
from benchmarks.stock import Stock, our_engine
from ipvm.engine import PROFILES

__all__ = ["ROWS", "THREADS", "spinners"]

_GUESTS: Final = 4
_SEQUENCE: Final = "one after the other"
_EPOCH: Final = "wasmtime-py, its epoch"
THREADS: Final = "wasmtime-py, threads"
_BEAT_SECONDS: Final = 0.001
_RARE: Final = 0.01
_SPIN_SECONDS: Final = 0.05
_FOREVER: Final = 2**31 - 1


async def throughput(effort: Effort) -> Sequence[Line]:
    """Compute in one, two and four guests at once, and in as many one after the other."""
    rounds = effort.size(30_000_000, 1000)
    bar = _bar()
    if bar is None:
        effort.skip("the bar of throughput, which needs two cores; there is one here")
    plain = spinners(_GUESTS)
    lines: list[Line] = []
    async with loaded("spin") as function:
        for guests in (1, 2, _GUESTS):
            part = f"{guests} at once"
            effort.tell(part)
            sides = {
                OURS: _at_once(function, rounds, guests),
                _SEQUENCE: _in_sequence(function, rounds, guests),
                THREADS: _threaded(plain[:guests], rounds),
            }
            measured = await in_turns(sides, effort)
            if guests > 1:
                wanted = bar if guests == _GUESTS else None
                lines.append(measured.line(_SEQUENCE, part=part, bar=wanted))
            lines.append(measured.line(THREADS, part=part))
    return lines


def _bar() -> float | None:
    """Give what four guests at once may take of the time of one after the other."""
    cores = len(os.sched_getaffinity(0))
    if cores >= _GUESTS:
        return 1 / 3.5
    return 1 / 1.8 if cores > 1 else None


def _at_once(function: ipvm.Function, rounds: int, guests: int) -> Side:
    async def side(times: int) -> None:
        for _ in range(times):
            async with trio.open_nursery() as nursery:
                for _ in range(guests):
                    nursery.start_soon(function, rounds)

    return side


def _in_sequence(function: ipvm.Function, rounds: int, guests: int) -> Side:
    async def side(times: int) -> None:
        for _ in range(times):
            for _ in range(guests):
                await function(rounds)

    return side


def _threaded(spinners: Sequence[Callable[[int], object]], rounds: int) -> Side:
    """Give the side that runs each instance on a thread of its own: calls let the others run."""

    async def side(times: int) -> None:
        for _ in range(times):
            async with trio.open_nursery() as nursery:
                for spin in spinners:
                    nursery.start_soon(trio.to_thread.run_sync, spin, rounds)

    return side


def spinners(count: int) -> Sequence[Stock]:
    """Give living instances that meter fuel as ours do."""
    engine = our_engine()
    module = wasmtime.Module(engine, guest("spin"))
    return [Stock(engine, module, metered=True) for _ in range(count)]


async def heartbeat(effort: Effort) -> Sequence[Line]:
    """Beat each millisecond on the loop while four guests compute."""
    rounds = effort.size(50_000_000, 1000)
    beats = effort.size(1000, 5)
    plain = spinners(_GUESTS)
    seconds: dict[str, list[float]] = {OURS: [], THREADS: []}
    slowest: list[float] = []
    async with loaded("spin") as function:
        sides = {OURS: _at_once(function, rounds, _GUESTS), THREADS: _threaded(plain, rounds)}
        for _ in range(min(effort.rounds, 5)):
            for name, side in sides.items():
                intervals = await _beats(side, beats)
                seconds[name].append(percentile(intervals, 1 - _RARE))
                if name == OURS:
                    slowest.append(max(intervals))
    return [
        Rounds(seconds).line(THREADS, bar=0.01, bar_on="ours"),
        Line(part="slowest of all", ours=median(slowest)),
    ]


async def _beats(side: Side, beats: int) -> list[float]:
    """Give the seconds from beat to beat while a side does its work over and over."""

    async def work() -> None:
        while True:
            await side(1)

    intervals: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        before = time.perf_counter()
        for _ in range(beats):
            await trio.sleep(_BEAT_SECONDS)
            now = time.perf_counter()
            intervals.append(now - before)
            before = now
        nursery.cancel_scope.cancel()
    return intervals


async def ending(effort: Effort) -> Sequence[Line]:
    """Leave a scope while guests in it spin; what counts is the slowest time of all."""
    rounds = effort.size(21, 1)
    lines: list[Line] = []
    interrupt = _interrupting()
    for profile in PROFILES:
        async with loaded("spin", profile=profile) as function:
            for guests in (1, _GUESTS):
                part = f"{profile}, {guests} at once"
                effort.tell(part)
                seconds: dict[str, list[float]] = {OURS: [], _EPOCH: []}
                for _ in range(rounds):
                    seconds[OURS].append(await _left(function, guests))
                    seconds[_EPOCH].append(await interrupt())
                rivals = [_EPOCH] if guests == 1 else []
                lines += [Rounds(seconds).line(rival, part=part) for rival in rivals]
                slowest = max(seconds[OURS])
                lines.append(
                    Line(part=f"{part}, slowest of {rounds}", ours=slowest, bar=0.02, bar_on="ours")
                )
    return lines


async def _left(function: ipvm.Function, guests: int) -> float:
    """Give the seconds from the deadline of a scope until it is left."""
    with trio.move_on_after(_SPIN_SECONDS) as scope:
        await _at_once(function, _FOREVER, guests)(1)
    return trio.current_time() - scope.deadline


def _interrupting() -> Callable[[], Awaitable[float]]:
    """Give what ends a guest on a thread by its epoch, and gives the seconds that this takes."""
    config = wasmtime.Config()
    config.epoch_interruption = True
    engine = wasmtime.Engine(config)
    store = wasmtime.Store(engine)
    stock = Stock(engine, wasmtime.Module(engine, guest("spin")), store=store)

    def spin() -> None:
        store.set_epoch_deadline(1)
        try:
            stock(_FOREVER)
        except wasmtime.Trap:
            return
        raise RuntimeError("the guest was not ended")

    async def interrupt() -> float:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, spin)
            await trio.sleep(_SPIN_SECONDS)
            began = time.perf_counter()
            engine.increment_epoch()
        return time.perf_counter() - began

    return interrupt


ROWS: Final = (
    Row(
        "throughput",
        f"1, 2 and 4 guests that compute at once beside one after the other, and beside threads"
        f" ({len(os.sched_getaffinity(0))} cores here)",
        throughput,
    ),
    Row(
        "heartbeat",
        "each millisecond of the trio loop while 4 guests compute: what 1 in 100 exceeds",
        heartbeat,
    ),
    Row(
        "ending",
        "how long a spinning guest outlives its scope, beside an epoch set by hand",
        ending,
    ),
)
