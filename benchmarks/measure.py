"""Run several sides in turns, and compare them round by round.

The machine may be shared with other work, which slows all sides of a round alike if the round is
short. The median of the ratios of all rounds then leaves out those where it did not. The order of
the sides changes from round to round, so that none of them always runs in what another one left in
the caches.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final, Literal, TypeAlias

from benchmarks.row import Effort, Line

__all__ = [
    "OURS",
    "Rounds",
    "Side",
    "each_of",
    "in_turns",
    "one_by_one",
    "percentile",
    "seconds_of",
]

Side: TypeAlias = Callable[[int], Awaitable[float | None]]
"""Does its work that many times, and gives the seconds if it has measured them itself."""

OURS: Final = "ipvm"
"""The name of our side, where there is only one."""
_TIMES_MAX: Final = 1_000_000
_ROUNDS_MIN: Final = 5


@dataclass(frozen=True, slots=True)
class Rounds:
    """The seconds that each side took in each round, by the name of the side."""

    seconds: Mapping[str, Sequence[float]]

    def line(
        self,
        rival: str,
        *,
        ours: str = OURS,
        part: str = "",
        bar: float | None = None,
        bar_on: Literal["ratio", "ours"] = "ratio",
    ) -> Line:
        """Put one side beside another."""
        pairs = zip(self.seconds[ours], self.seconds[rival], strict=True)
        ratios = [one / other for one, other in pairs]
        low, ratio, high = quantiles(ratios, method="inclusive") if len(ratios) > 1 else ratios * 3
        return Line(
            part=part,
            ours=median(self.seconds[ours]),
            rival=median(self.seconds[rival]),
            beside=rival,
            ratio=ratio,
            spread=(low, high),
            bar=bar,
            bar_on=bar_on,
        )

    def lines(
        self, bars: Mapping[str, float | None], *, ours: str = OURS, part: str = ""
    ) -> list[Line]:
        """Put one side beside those of the named ones that took part, each with its bar."""
        return [
            self.line(rival, ours=ours, part=part, bar=bar)
            for rival, bar in bars.items()
            if rival in self.seconds
        ]


async def in_turns(sides: Mapping[str, Side], effort: Effort) -> Rounds:
    """Measure all sides, each for about `effort.round_seconds` a round."""
    times = {name: await _times(side, effort) for name, side in sides.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    end = time.perf_counter() + effort.row_seconds
    for number in range(effort.rounds):
        if number >= _ROUNDS_MIN and time.perf_counter() > end:
            break
        for name in _turn(list(sides), number):
            seconds[name].append(await seconds_of(sides[name], times[name]))
    return Rounds(seconds)


def _turn(names: Sequence[str], number: int) -> Sequence[str]:
    """Give the order of a round: each side goes first in its turn, and back and forth."""
    start = number // 2 % len(names)
    order = [*names[start:], *names[:start]]
    return order[::-1] if number % 2 else order


async def seconds_of(side: Side, times: int) -> float:
    """Give the seconds that one time takes, on the average of so many."""
    began = time.perf_counter()
    measured = await side(times)
    return (time.perf_counter() - began if measured is None else measured) / times


def each_of(side: Side, count: int) -> Side:
    """Give a side whose one time is one of the `count` things that a side does at a time."""

    async def each(times: int) -> float:
        return await seconds_of(side, times) * times / count

    return each


async def one_by_one(sides: Mapping[str, Side], effort: Effort, *, share: float) -> Rounds:
    """Measure each call for itself, and give for each round what only that share of calls exceeds.

    A median hides the call that takes ten times as long; this shows it.
    """
    calls = effort.size(2000, 5)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        await side(calls)
    for number in range(min(effort.rounds, 11)):
        for name in _turn(list(sides), number):
            each = [await seconds_of(sides[name], 1) for _ in range(calls)]
            seconds[name].append(percentile(each, 1 - share))
    return Rounds(seconds)


def percentile(figures: Iterable[float], share: float) -> float:
    """Give the smallest of the figures that this share of them does not exceed."""
    ordered = sorted(figures)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


async def _times(side: Side, effort: Effort) -> int:
    """Find how often a side fits into a round. The first time of all warms it up."""
    await side(1)
    times = 1
    while times < _TIMES_MAX:
        began = time.perf_counter()
        await side(times)
        seconds = time.perf_counter() - began
        if seconds * 2 > effort.round_seconds:
            return max(1, round(times * effort.round_seconds / seconds))
        times *= 2
    return times
