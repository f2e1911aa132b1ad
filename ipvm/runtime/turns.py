"""When a task that makes one brief call after the other lets other tasks run.

Letting the loop of trio turn takes as long as many a call, so it is done once a millisecond. Whether
the caller was cancelled is looked at each time.
"""

import time
from typing import Final, final

import trio

__all__ = ["Turns"]

TURN_SECONDS: Final = 0.001
"""Time that calls which need not wait may go on before other tasks have their turn."""


@final
class Turns:
    """The turns of one loop."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time for a turn."""
        return time.perf_counter() - self._since > TURN_SECONDS

    def begin(self) -> None:
        """Note that other tasks have just had their turn."""
        self._since = time.perf_counter()

    async def take(self) -> None:
        """Look for cancellation, and let other tasks run if that is due."""
        if time.perf_counter() - self._since > TURN_SECONDS:
            await trio.lowlevel.checkpoint()
            self._since = time.perf_counter()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()
