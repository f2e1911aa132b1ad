"""The options that bound what runs, which all commands that run something share."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar, get_args

import click
import trio

from ipvm.errors import LimitExceeded
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT
from ipvm.model import Profile

__all__ = ["bounded", "within"]

_Function = TypeVar("_Function", bound=Callable[[], None])
_AMOUNT: Final = click.IntRange(min=1)
_OPTIONS: Final = (
    click.option(
        "--fuel",
        metavar="N",
        type=_AMOUNT,
        default=FUEL_DEFAULT,
        help="Fuel that it may use; 1000000000 is about a second.",
    ),
    click.option(
        "--memory",
        metavar="BYTES",
        type=_AMOUNT,
        default=MEMORY_DEFAULT,
        help="Bytes that its memories may take together.",
    ),
    click.option(
        "--profile",
        type=click.Choice(get_args(Profile)),
        default="deterministic",
        help="How the engine is set up; fast counts no fuel.",
    ),
    click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        default=math.inf,
        help="Give up when loading and running take longer.",
    ),
)


def bounded(function: _Function) -> _Function:
    """Give a command the options --fuel, --memory, --profile and --timeout."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Do something within so many seconds.

    Raises:
        LimitExceeded: It took longer.
    """
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        how = "raise it with --timeout SECONDS"
        raise LimitExceeded("timeout_seconds", seconds, how=how)
