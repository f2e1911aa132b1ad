"""Tell a person who waits that something is going on.

Nothing is shown, and rich is not imported, unless it takes longer than a moment and standard error
is a terminal. What the functions log meanwhile appears above the line, since rich stands in for
standard error; for the payload, which may go to the same terminal, the line makes room.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, final

import trio

from ipvm.cli.terminal import escaped

if TYPE_CHECKING:
    from rich.status import Status

__all__ = ["Activity", "activity"]

_DELAY_SECONDS: Final = 1.0
_REFRESH_SECONDS: Final = 0.1


@final
class Activity:
    """What is going on.

    Attributes:
        text: What to show; change it at will.
        detail: Gives what to show behind it, which is asked for again and again.
        fetched: Gives what has come from elsewhere, likewise.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.detail: Callable[[], str] = str
        self.fetched: Callable[[], str] = str
        self._line: Status | None = None
        self._gave_way = False

    def make_room(self) -> None:
        """Take the line away. It comes back if there is more to wait for."""
        if self._line is not None:
            self._line.stop()

    def give_way(self) -> None:
        """Take the line away for good: somebody else writes from now on. Any thread may say so."""
        self._gave_way = True
        self.make_room()

    async def show(self) -> None:
        """Show the line until cancelled."""
        await trio.sleep(_DELAY_SECONDS)
        # 60 ms that few commands last long enough for.
        from rich.console import Console  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        with Console(stderr=True).status(Text(self._shown())) as self._line:
            while not self._gave_way:
                await trio.sleep(_REFRESH_SECONDS)
                self._line.update(Text(self._shown()))
                self._line.start()
            self._line.stop()

    def _shown(self) -> str:
        return escaped(self.text + self.detail() + self.fetched())


@asynccontextmanager
async def activity(text: str, *, shown: bool) -> AsyncIterator[Activity]:
    """Show what is going on, as long as the context lasts.

    Args:
        text: What it is.
        shown: Whether anybody watches.
    """
    going_on = Activity(text)
    if not shown:
        yield going_on
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(going_on.show)
        yield going_on
        nursery.cancel_scope.cancel()
