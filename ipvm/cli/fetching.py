"""Count what comes from elsewhere, for a person who waits for it."""

import gc
from collections.abc import Callable
from typing import final

from ipvm.cli.terminal import plural
from ipvm.exchange import Answer

__all__ = ["Fetching"]


@final
class Fetching:
    """What has come so far.

    Args:
        trace: Is told each answer, too.
        is_alone: Nothing but the command runs in this process.
    """

    def __init__(self, trace: Callable[[Answer], None] | None, *, is_alone: bool = False) -> None:
        self._trace = trace
        self._is_alone = is_alone
        self._blocks = 0
        self._block_bytes = 0

    def take(self, answer: Answer) -> None:
        """Take note of an answer of a source."""
        if answer.outcome == "block":
            if self._is_alone and not self._blocks:
                # What fetches is imported by now, and stays. To look for garbage in libp2p again and
                # again takes a third of the time of many small blocks.
                gc.freeze()
            self._blocks += 1
            self._block_bytes += answer.block_bytes
        if self._trace is not None:
            self._trace(answer)

    def shown(self) -> str:
        """Tell it behind what is going on; nothing, if nothing has come."""
        if not self._blocks:
            return ""
        fetched = plural(self._block_bytes, "byte")
        return f" ({plural(self._blocks, 'block')} fetched, {fetched})"
