"""Run guest code at once, without a fiber, on the chance that it is done soon.

Most calls compute for microseconds and wait for nothing, and a fiber for them costs more than they
do. So a call may be tried in the plain way first, with the fuel of one slice. If the guest has to
wait for the host, or needs more, the try is given up; its store is thrown away and the call is run
on a fiber from the start, with the same result, because whatever a guest does before it waits stays
within its store.
"""

import ctypes
from collections.abc import Sequence
from typing import Final

from ipvm.engine import capi
from ipvm.engine.call import FIRST_SLICES, CallShape, raise_failure
from ipvm.engine.store import Extern, Postponed, Store
from ipvm.engine.trap import INDIRECT_CALL_TO_NULL, OUT_OF_FUEL, Trap

__all__ = ["KERNEL_NAME", "attempt"]

KERNEL_NAME: Final = "ipvm:kernel"
"""Name of the module through whose table guests wait. As long as the table is empty, they cannot."""


async def attempt(
    store: Store, function: Extern, shape: CallShape, arguments: Sequence[int | float]
) -> tuple[int | float, ...]:
    """Call a function of a store that has not been entered, and give its results.

    It never waits; it is async because it stands in for `ipvm.engine.call`.

    Raises:
        Postponed: The call has to be run on a fiber.
        Trap: The guest trapped.
        BaseException: Whatever the store's host raised.
    """
    store.ration(FIRST_SLICES)
    buffer = shape.buffer(arguments)
    start = ctypes.addressof(buffer)
    outcome = ctypes.c_uint64()
    error = capi.func_call(
        store.context,
        function.payload,
        start,
        shape.argument_count,
        start + shape.results_offset,
        shape.result_count,
        ctypes.addressof(outcome),
    )
    if error or outcome.value:
        try:
            raise_failure(store, trap=outcome.value, error=error)
        except Trap as trap:
            if _would_go_on(trap, store):
                raise Postponed from trap
            raise
    return shape.results(buffer)


def _would_go_on(trap: Trap, store: Store) -> bool:
    if trap.code == OUT_OF_FUEL:
        return store.rationed
    waiting = trap.code == INDIRECT_CALL_TO_NULL and bool(trap.frames)
    return waiting and trap.frames[0].module == KERNEL_NAME
