"""Run guest code at once, without a fiber, on the chance that it is done soon.

Most calls compute for microseconds and wait for nothing, and a fiber for them costs more than they
do. So a call may be tried in the plain way first, with the fuel of one slice (`Store.ration`). If the
guest has to wait for the host, or needs more, the try is given up; its store is thrown away and the
call is run on a fiber from the start, with the same result, because whatever a guest does before it
waits stays within its store.
"""

import ctypes
from collections.abc import Sequence
from typing import Final, NoReturn, final

from ipvm.engine import capi
from ipvm.engine.call import CallShape, raise_failure, raise_kept
from ipvm.engine.store import Postponed, Store, WouldWait
from ipvm.engine.trap import INDIRECT_CALL_TO_NULL, INTERRUPT, OUT_OF_FUEL, Outcome, Trap

__all__ = ["KERNEL_NAME", "Attempt"]

KERNEL_NAME: Final = "ipvm:kernel"
"""Name of the module through whose table guests wait. As long as the table is empty, they cannot."""


@final
class Attempt:
    """What it takes to call functions of one type at once. It serves one call at a time."""

    __slots__ = (
        "_address",
        "_extern",
        "_function",
        "_outcome",
        "_pack",
        "_room",
        "_slots",
        "_unpack",
        "extern",
    )

    def __init__(self, shape: CallShape) -> None:
        self._room = ctypes.create_string_buffer(max(shape.slots, 1) * capi.RAW_BYTES)
        self._address = ctypes.addressof(self._room)
        self._slots = shape.slots
        self._pack = shape.pack
        self._unpack = shape.unpack
        self._outcome = Outcome()
        self._extern = ctypes.create_string_buffer(capi.EXTERN_BYTES)
        self.extern = ctypes.addressof(self._extern)
        """Address of the extern of the function that is called."""
        self._function = self.extern + capi.EXTERN_PAYLOAD

    def call(self, store: Store, arguments: Sequence[int | float]) -> tuple[int | float, ...]:
        """Call the function of a store that has not been entered, and give its results.

        Raises:
            WouldWait: The guest has to wait, and the kernel's table is empty.
            Postponed: The call has to be run on a fiber.
            Trap: The guest trapped.
            BaseException: Whatever the store's host raised.
        """
        self._pack(self._room, 0, *arguments)
        self._outcome.values[0] = 0
        if store.engine.metered:
            error = self._enter(store)
        else:
            with store.engine.ticker.running():
                store.hurry()
                error = self._enter(store)
        if error or self._outcome.values[0]:
            self._fail(store, error)
        return self._unpack(self._room)

    def _enter(self, store: Store) -> int:
        return capi.func_call_unchecked(
            store.context, self._function, self._address, self._slots, self._outcome.address
        )

    def _fail(self, store: Store, error: int | None) -> NoReturn:
        trap = self._outcome.values[0]
        self._outcome.values[0] = 0
        if isinstance(store.failure, Postponed):  # reading the trap takes longer than such a try
            capi.trap_delete(trap)
            raise_kept(store, None)
        try:
            raise_failure(store, trap=trap, error=error)
        except Trap as ended:
            if ended.code in _RATION_USED and store.rationed:
                raise Postponed from ended
            if _is_wait(ended):
                raise WouldWait from ended
            raise
        raise AssertionError("a call that failed says how")


_RATION_USED: Final = frozenset({OUT_OF_FUEL, INTERRUPT})


def _is_wait(trap: Trap) -> bool:
    """Tell whether a guest called the host through the kernel's table while that was empty."""
    waiting = trap.code == INDIRECT_CALL_TO_NULL and bool(trap.frames)
    return waiting and trap.frames[0].module == KERNEL_NAME
