"""Let the clock of an engine tick while guests of it compute.

Where fuel is not counted, wasmtime cuts time slices by an epoch: a number of the engine that guest
code compares with its deadline. Somebody has to raise it. A thread does, for as long as guests
compute and a moment longer, so that one short call after the other does not start one thread each.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, final

from ipvm.engine import capi

__all__ = ["Ticker"]

TICK_SECONDS: Final = 0.001
"""Length of a slice of time; see `ipvm.engine.store.Store.use_slices`."""
IDLE_TICKS: Final = 100
"""Ticks without a guest after which the thread ends."""


@final
class Ticker:
    """Raises the epoch of one engine. Any thread may use it."""

    def __init__(self, engine_address: int) -> None:
        self._engine_address = engine_address
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        """Take nothing over: a child that was forked has neither the thread nor the other guests."""
        self._guests = 0
        self._ticking = False
        self._lock = threading.Lock()

    @property
    def ticking(self) -> bool:
        """Whether the thread runs."""
        return self._ticking

    @contextmanager
    def running(self) -> Iterator[None]:
        """Tick while a guest computes."""
        with self._lock:
            if not self._ticking:
                threading.Thread(target=self._tick, name="ipvm ticker", daemon=True).start()
                self._ticking = True
            self._guests += 1
        try:
            yield
        finally:
            with self._lock:
                self._guests = max(self._guests - 1, 0)

    def _tick(self) -> None:
        pause = threading.Event()
        idle = 0
        while True:
            pause.wait(TICK_SECONDS)
            capi.engine_increment_epoch(self._engine_address)
            with self._lock:
                idle = 0 if self._guests else idle + 1
                if idle > IDLE_TICKS:
                    self._ticking = False
                    return
