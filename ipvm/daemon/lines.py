"""Write lines to a descriptor that nobody may be reading, without ever waiting for it.

A thread writes what is in a queue. When the queue is full, lines are dropped and counted, and a line tells
how many as soon as there is room. The thread writes to the descriptor itself, so that it holds no lock of
Python's while it is stuck, and the process can end without it.
"""

import os
import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, final

__all__ = ["Lines"]

_LINES_MAX: Final = 1000
_END_SECONDS: Final = 1.0


@final
class Lines:
    """A queue of lines, and the thread that writes them while the context lasts.

    Args:
        descriptor: Where they go.

    Attributes:
        dropped_line: Says in a line how many were dropped.
    """

    def __init__(self, descriptor: int) -> None:
        self.dropped_line: Callable[[int], str] = "{} lines were dropped".format
        self._descriptor = descriptor
        self._queue: queue.Queue[str | None] = queue.Queue(_LINES_MAX)
        self._lock = threading.Lock()
        self._dropped = 0
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._queue.put(None, timeout=_END_SECONDS)
        except queue.Full:
            return
        self._thread.join(_END_SECONDS)

    def put(self, line: str) -> None:
        """Have a line written, or dropped. It never waits."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            with self._lock:
                self._dropped += 1

    def _work(self) -> None:
        while (line := self._queue.get()) is not None:
            self._write(line)
            with self._lock:
                dropped, self._dropped = self._dropped, 0
            if dropped:
                self._write(self.dropped_line(dropped))

    def _write(self, line: str) -> None:
        left = memoryview(f"{line}\n".encode(errors="backslashreplace"))
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:  # nobody can read it any more
            return
