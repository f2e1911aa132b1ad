"""What the host does for guests costs them fuel, and is done on another thread if it takes long."""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import trio

from ipvm.engine import OUT_OF_FUEL, Postponed, Store, Trap, worker_limiter

__all__ = ["apart", "take_fuel"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


def take_fuel(store: Store, fuel: int) -> None:
    """Charge the guests of a store for what was done for them.

    Raises:
        Trap: They had less than that.
    """
    if not store.engine.metered:
        return
    left = store.fuel
    store.fuel = max(left - fuel, 0)
    if fuel > left:
        raise Trap(OUT_OF_FUEL, ())


async def apart(store: Store, work: Callable[[*_Ts], _T], *arguments: *_Ts) -> _T:
    """Work on another thread, of which there are as many as cores.

    Raises:
        Postponed: The guests of the store cannot wait for that.
    """
    if not store.entered:
        raise Postponed
    return await trio.to_thread.run_sync(work, *arguments, limiter=worker_limiter())
