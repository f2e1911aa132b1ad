"""What a benchmark is, and what it gives: a row that is measured, and the lines of its result."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Effort", "Line", "Row", "Unit", "Unmeasurable", "optional"]

Unit: TypeAlias = Literal["s", "MB", "blocks"]


class Unmeasurable(Exception):
    """A row, or a rival of one, cannot be measured here; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much to do.

    Attributes:
        rounds: Times that all sides of a row run, in turns.
        round_seconds: How long one side runs in a round, about; once, if that takes longer.
        row_seconds: Time after which a row begins no further round, if it has had a few.
        small: Whether to make the work itself small too. The figures then show that a row runs,
            and nothing else.
        tell: Takes a word on what is being measured, for whoever watches.
        skip: Takes a word on a rival that cannot be measured here, and why.
    """

    rounds: int
    round_seconds: float
    row_seconds: float
    small: bool = False
    tell: Callable[[str], None]
    skip: Callable[[str], None]

    def size(self, full: int, small: int) -> int:
        """Choose between two sizes of the work."""
        return small if self.small else full


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the report.

    Attributes:
        ours: What our side took.
        rival: What the rival took; None where the line is about our side alone.
        beside: Who the rival is.
        part: What of the row it is about, where the row has several lines.
        unit: Of both figures: seconds, megabytes, or a number of blocks.
        ratio: Ours to the rival's, the median over the rounds; less is better.
        spread: The ratios that a quarter of the rounds was below, and a quarter above.
        bar: The most that the ratio may be, or our figure, whichever `bar_on` says.
    """

    ours: float
    rival: float | None = None
    beside: str = ""
    part: str = ""
    unit: Unit = "s"
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    bar: float | None = None
    bar_on: Literal["ratio", "ours"] = "ratio"

    @property
    def judged(self) -> float | None:
        """The figure that the bar is for."""
        return self.ratio if self.bar_on == "ratio" else self.ours

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        if self.bar is None or self.judged is None:
            return None
        return self.judged <= self.bar


@dataclass(frozen=True, slots=True)
class Row:
    """One benchmark.

    Attributes:
        name: How the command line calls it.
        about: What is measured beside what, in one sentence.
        measure: Measures it, and may raise Unmeasurable.
    """

    name: str
    about: str
    measure: Callable[[Effort], Awaitable[Sequence[Line]]]


@contextmanager
def optional(effort: Effort) -> Iterator[None]:
    """Go on without what is missing here, and say so."""
    try:
        yield
    except Unmeasurable as missing:
        effort.skip(str(missing))
