"""Know what to expect of a source: how fast it usually is, and whether to leave it alone for now.

Its usual time is an average that follows the last answers, and its patience, after which the next
source is asked as well, is that and four times the usual deviation, as in the retransmission timer
of TCP. A source that mostly has not what it is asked for is waited for less.

One that fails rests: a second at first, and twice as long each time until it answers again. One that
lied rests for a minute at once. Nobody is given up for ever.
"""

from typing import Final, final

__all__ = ["Standing"]

_PATIENCE_FIRST: Final = 0.5
"""Seconds that a source is waited for of which nothing is known."""
_PATIENCE_MIN: Final = 0.02
_PATIENCE_MAX: Final = 2.0
_WEIGHT: Final = 1 / 8
_DEVIATIONS: Final = 4
_HITS_MIN: Final = 0.1
_REST_FIRST: Final = 1.0
_REST_MAX: Final = 300.0
_STRIKES_OF_A_LIE: Final = 7
_STRIKES_MAX: Final = 16
_LATE_MAX: Final = 3
"""Times in a row that another was faster, after which it is as if it had failed."""


@final
class Standing:
    """What one source has shown so far. All times are in seconds, on one clock."""

    __slots__ = ("_deviation", "_hits", "_late", "_rests_until", "_strikes", "_usual")

    def __init__(self) -> None:
        self._usual: float | None = None
        self._deviation = 0.0
        self._hits = 1.0
        self._late = 0
        self._strikes = 0
        self._rests_until = 0.0

    @property
    def patience_seconds(self) -> float:
        """How long to wait for it before another is asked as well."""
        if self._usual is None:
            return _PATIENCE_FIRST
        patience = (self._usual + _DEVIATIONS * self._deviation) * max(self._hits, _HITS_MIN)
        return min(max(patience, _PATIENCE_MIN), _PATIENCE_MAX)

    def rests(self, now: float) -> bool:
        """Whether it is to be left alone while others can be asked."""
        return now < self._rests_until

    def served(self, seconds: float) -> None:
        """It had a block."""
        self._answered(seconds, hit=1.0)

    def lacked(self, seconds: float) -> None:
        """It said that it has not got a block."""
        self._answered(seconds, hit=0.0)

    def lagged(self, now: float) -> None:
        """It had not answered when another had."""
        self._late += 1
        if self._late >= _LATE_MAX:
            self._late = 0
            self.failed(now)

    def failed(self, now: float, *, rest_seconds: float = 0.0) -> None:
        """It did not answer, or not in a way that can be used.

        Args:
            now: The time.
            rest_seconds: How long it asked to be left alone.
        """
        self._strike(now, 1)
        self._rests_until = max(self._rests_until, now + min(rest_seconds, _REST_MAX))

    def lied(self, now: float) -> None:
        """It sent something else."""
        self._strike(now, _STRIKES_OF_A_LIE)

    def _strike(self, now: float, strikes: int) -> None:
        self._strikes = min(self._strikes + strikes, _STRIKES_MAX)
        self._rests_until = now + min(_REST_FIRST * 2 ** (self._strikes - 1), _REST_MAX)

    def _answered(self, seconds: float, *, hit: float) -> None:
        if self._usual is None:
            self._usual, self._deviation = seconds, seconds / 2
        else:
            self._deviation += _WEIGHT * (abs(seconds - self._usual) - self._deviation)
            self._usual += _WEIGHT * (seconds - self._usual)
        self._hits += _WEIGHT * (hit - self._hits)
        self._late = self._strikes = 0
        self._rests_until = 0.0
