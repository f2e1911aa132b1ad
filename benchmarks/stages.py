"""Where the time of an isolated call goes, stage by stage.

The functions that make up a call are replaced, for the while, by ones that run them under a
stopwatch. A stage that is entered within another one stops the clock of that one, so the stages add
up to the call. What the stopwatch itself takes is told by the same calls without it, and is taken
off each stage by the number of times that its clock was started or stopped.
"""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import iscoroutinefunction
from statistics import median
from types import ModuleType
from typing import Final, ParamSpec, TypeAlias, TypeVar, final

from benchmarks.calls import BYTES_TO_BYTES
from benchmarks.measure import Side, seconds_of
from benchmarks.programs import loaded
from benchmarks.row import Effort, Line, Row
from ipvm.engine import Assembly, Attempt, Store
from ipvm.host import Kernel
from ipvm.runtime import brief, runtime
from ipvm.runtime.direct import DirectArguments
from ipvm.runtime.turns import Turns

__all__ = ["ROWS", "STAGES_OF"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Home: TypeAlias = ModuleType | type

_REST: Final = "rest"
_STAGES: Final[Sequence[tuple[str, _Home, str]]] = (
    ("turn", Turns, "take"),
    ("arguments", DirectArguments, "operands"),
    ("store", brief, "Store"),
    ("kernel", brief, "Kernel"),
    ("place", brief, "place"),
    ("instances", Assembly, "build"),
    ("exports", Assembly, "export_into"),
    ("call", Attempt, "call"),
    ("results", brief, "read_results"),
    ("results", runtime, "direct_value"),
    ("close", Kernel, "close"),
    ("close", Store, "close"),
)
"""The stages, and for each a function that belongs to it: where it is looked up, and its name."""


@final
class Stopwatch:
    """Seconds spent in each stage, without the stages within it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._touches: defaultdict[str, int] = defaultdict(int)
        self._entered: list[str] = [_REST]
        self._since = time.perf_counter()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Run the functions of all stages under this stopwatch."""
        found = [(home, attribute, getattr(home, attribute)) for _, home, attribute in _STAGES]
        for (name, home, attribute), (_, _, function) in zip(_STAGES, found, strict=True):
            timed = self._timed_async if iscoroutinefunction(function) else self._timed
            setattr(home, attribute, timed(name, function))
        self._since = time.perf_counter()
        try:
            yield
        finally:
            self._stop()
            for home, attribute, function in found:
                setattr(home, attribute, function)

    def within(self, whole: float) -> dict[str, float]:
        """Give the seconds of each stage such that they add up to what was measured without."""
        own = (sum(self.seconds.values()) - whole) / sum(self._touches.values())
        return {name: each - own * self._touches[name] for name, each in self.seconds.items()}

    def _timed(self, name: str, function: Callable[_P, _T]) -> Callable[_P, _T]:
        def run(*arguments: _P.args, **options: _P.kwargs) -> _T:
            self._enter(name)
            try:
                return function(*arguments, **options)
            finally:
                self._leave()

        return run

    def _timed_async(
        self, name: str, function: Callable[_P, Awaitable[_T]]
    ) -> Callable[_P, Awaitable[_T]]:
        async def run(*arguments: _P.args, **options: _P.kwargs) -> _T:
            self._enter(name)
            try:
                return await function(*arguments, **options)
            finally:
                self._leave()

        return run

    def _enter(self, name: str) -> None:
        self._stop()
        self._entered.append(name)

    def _leave(self) -> None:
        self._stop()
        self._entered.pop()

    def _stop(self) -> None:
        now = time.perf_counter()
        self.seconds[self._entered[-1]] += now - self._since
        self._touches[self._entered[-1]] += 1
        self._since = now


async def stages_scalar(effort: Effort) -> Sequence[Line]:
    """Take a call with two numbers apart."""
    async with loaded("add") as function:

        async def ours(times: int) -> None:
            for _ in range(times):
                await function(1, 2)

        return await _stages(ours, effort)


async def stages_blocks(effort: Effort) -> Sequence[Line]:
    """Take a call that carries bytes in and out apart."""
    async with loaded("echo", BYTES_TO_BYTES) as function:
        data = bytes(1024)

        async def ours(times: int) -> None:
            for _ in range(times):
                await function(data)

        return await _stages(ours, effort)


async def _stages(side: Side, effort: Effort) -> list[Line]:
    times = effort.size(200, 2)
    whole: list[float] = []
    rounds: list[dict[str, float]] = []
    for _ in range(effort.rounds):
        whole.append(await seconds_of(side, times))
        stopwatch = Stopwatch()
        with stopwatch.watching():
            await side(times)
        within = stopwatch.within(whole[-1] * times)
        rounds.append({name: each / times for name, each in within.items()})
    names = [
        name for name in (*dict.fromkeys(n for n, _, _ in _STAGES), _REST) if name in rounds[0]
    ]
    return [
        Line(part="whole", ours=median(whole)),
        *(Line(part=name, ours=median(each[name] for each in rounds)) for name in names),
    ]


STAGES_OF: Final = {"stages-scalar": "call-isolated", "stages-blocks": "call-blocks"}
"""The rows of this module, and for each the row that it takes apart."""

ROWS: Final = (
    Row("stages-scalar", "where the time of `call-isolated` goes", stages_scalar),
    Row("stages-blocks", "where the time of `call-blocks` goes", stages_blocks),
)
