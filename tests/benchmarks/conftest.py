"""What tests of the benchmarks share."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

# The benchmarks are no installed package: they lie in the checkout. It comes last, so that `ipvm` is
# still the one that is installed.
sys.path.append(str(Path(__file__).parent.parent.parent))

from benchmarks.report import Result
from benchmarks.row import Effort, Line, Row

Results: TypeAlias = Callable[..., Result]


def nothing(_word: str) -> None:
    pass


@pytest.fixture
def effort() -> Effort:
    return Effort(rounds=6, round_seconds=0, row_seconds=60, small=True, tell=nothing, skip=nothing)


@pytest.fixture
def result() -> Results:
    """A result of a row with a name, of the given lines."""

    async def measure(_effort: Effort) -> list[Line]:
        return []

    def make(name: str, *lines: Line, missing: tuple[str, ...] = ()) -> Result:
        return Result(row=Row(name, "about", measure), lines=lines, missing=missing)

    return make
