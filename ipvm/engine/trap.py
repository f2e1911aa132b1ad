"""What wasmtime says when guest code stops, as plain data.

wasmtime hands out a trap or an error as an owned pointer; reading it here frees it. A frame carries
the module's name as the engine knows it, which the runtime sets to the CID of the code.
"""

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import wasmtime
from wasmtime import _ffi

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "OUT_OF_FUEL",
    "STACK_OVERFLOW",
    "EngineFault",
    "Frame",
    "Outcome",
    "Trap",
    "read_failure",
]

STACK_OVERFLOW: Final = "stack-overflow"
OUT_OF_FUEL: Final = "out-of-fuel"
INTERRUPT: Final = "interrupt"
INDIRECT_CALL_TO_NULL: Final = "indirect-call-to-null"

FRAMES_MAX: Final = 64
"""Frames that are kept of a backtrace, innermost first."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a guest's backtrace."""

    module: str
    function_index: int
    function: str | None


class Trap(Exception):
    """Guest code trapped.

    Attributes:
        code: The name of the trap, as in `memory-out-of-bounds`; `interrupt` when a host function
            ended the guest.
        frames: The backtrace, innermost first.
    """

    def __init__(self, code: str, frames: "Sequence[Frame]") -> None:
        super().__init__(code)
        self.code = code
        self.frames = tuple(frames)


class EngineFault(Exception):
    """wasmtime refused an operation; the message is its own."""


@final
class Outcome:
    """Room for the trap that a C call leaves, if any. It serves one call at a time.

    Attributes:
        values: The room; what a C call finds there must be 0.
        address: Where it is.
    """

    __slots__ = ("address", "values")

    def __init__(self) -> None:
        self.values = (ctypes.c_uint64 * 1)()
        self.address = ctypes.addressof(self.values)

    def failure(self, error: int | None) -> "Trap | EngineFault":
        """Take what a C call left, and make the room ready for the next; see `read_failure`."""
        trap = self.values[0]
        self.values[0] = 0
        failure = read_failure(error, trap)
        assert failure is not None
        return failure


def read_failure(error: int | None, trap: int | None) -> Trap | EngineFault | None:
    """Turn the error and trap that a C call left, if any, into an exception, and free them."""
    if trap:
        return _read_trap(trap)
    if error:
        pointer = _cast(error, _ffi.wasmtime_error_t)
        return EngineFault(str(wasmtime.WasmtimeError._from_ptr(pointer)))  # noqa: SLF001 - the only reader of an error there is
    return None


def _cast(address: int, structure: Any) -> Any:
    return ctypes.cast(address, ctypes.POINTER(structure))


def _read_trap(address: int) -> Trap:
    trap = wasmtime.Trap._from_ptr(_cast(address, _ffi.wasm_trap_t))  # noqa: SLF001 - the only reader of a trap there is
    code = trap.trap_code
    name = code.name.lower().replace("_", "-") if code is not None else "unknown"
    return Trap(name, [_read_frame(frame) for frame in trap.frames[:FRAMES_MAX]])


def _read_frame(frame: wasmtime.Frame) -> Frame:
    return Frame(
        module=frame.module_name or "",
        function_index=frame.func_index,
        function=frame.func_name,
    )
