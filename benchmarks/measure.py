"""Run two sides in turns, and compare them round by round.

The machine may be shared with other work, which slows both sides of a round alike if the round is
short. The median of the ratios of all rounds then leaves out those where it did not.
"""

import time
from collections.abc import Awaitable, Callable
from statistics import median, quantiles
from typing import Final, TypeAlias

from benchmarks.row import Effort, Line

__all__ = ["Side", "beside", "compared", "seconds_of"]

Side: TypeAlias = Callable[[int], Awaitable[None]]
"""Does its work that many times."""

_TIMES_MAX: Final = 1_000_000
_ROUNDS_MIN: Final = 5


async def seconds_of(side: Side, times: int) -> float:
    """Give the seconds that one time takes, on the average of so many."""
    began = time.perf_counter()
    await side(times)
    return (time.perf_counter() - began) / times


async def beside(
    ours: Side, rival: Side, effort: Effort, *, bar: float | None = None, part: str = ""
) -> Line:
    """Measure both sides, each for about `effort.round_seconds` a round."""
    our_times = await _times(ours, effort)
    rival_times = await _times(rival, effort)
    rounds: list[tuple[float, float]] = []
    end = time.perf_counter() + effort.row_seconds
    for number in range(effort.rounds):
        if number >= _ROUNDS_MIN and time.perf_counter() > end:
            break
        if number % 2:
            theirs = await seconds_of(rival, rival_times)
            rounds.append((await seconds_of(ours, our_times), theirs))
        else:
            our_own = await seconds_of(ours, our_times)
            rounds.append((our_own, await seconds_of(rival, rival_times)))
    return compared(rounds, bar=bar, part=part)


def compared(
    rounds: list[tuple[float, float]], *, bar: float | None = None, part: str = ""
) -> Line:
    """Make a line of the seconds that both sides took in each round."""
    ratios = [ours / rival for ours, rival in rounds]
    low, ratio, high = quantiles(ratios, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Line(
        part=part,
        ours=median(ours for ours, _ in rounds),
        rival=median(rival for _, rival in rounds),
        ratio=ratio,
        spread=(low, high),
        bar=bar,
    )


async def _times(side: Side, effort: Effort) -> int:
    """Find how often a side fits into a round. The first time of all warms it up."""
    await side(1)
    times = 1
    while times < _TIMES_MAX:
        seconds = await seconds_of(side, times) * times
        if seconds * 2 > effort.round_seconds:
            return max(1, round(times * effort.round_seconds / seconds))
        times *= 2
    return times
