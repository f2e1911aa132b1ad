"""Say what it means that guest code stopped, and name the frames that it stopped in.

Names come from the modules, so they are anybody's text: what is not printable in them is escaped.
"""

from collections.abc import Sequence

from ipvm.engine import (
    OUT_OF_FUEL,
    STACK_LIMIT,
    STACK_OVERFLOW,
    WASM_STACK_BYTES,
    EngineFault,
    Frame,
    Trap,
)
from ipvm.errors import GuestError, GuestFrame, IpvmError, LimitExceeded, Refused
from ipvm.host import Ended
from ipvm.ipld import Cid
from ipvm.linker import LinkPlan
from ipvm.wasm import read_names

__all__ = ["failure_of"]


def failure_of(
    ended: Trap | EngineFault | GuestError | Ended, plan: LinkPlan, *, fuel_used: int | None
) -> IpvmError:
    """Give the condition that the caller meets: an answer of the guest, or a bound of this runner."""
    if isinstance(ended, Ended):  # a function that leaves has no result, as one that aborts
        return GuestError("abort", "proc_exit", code=ended.code, fuel_used=fuel_used)
    if isinstance(ended, EngineFault):
        return Refused(f"the engine does not instantiate the program: {ended}")
    if isinstance(ended, GuestError):
        cause = ended.__cause__
        frames = _describe_all(cause.frames, plan) if isinstance(cause, Trap) else ()
        return GuestError(
            ended.kind, ended.detail, code=ended.code, frames=frames, fuel_used=fuel_used
        )
    if ended.code == STACK_OVERFLOW:
        return LimitExceeded(
            STACK_LIMIT, WASM_STACK_BYTES, how="the calls of the function nest too deep for it"
        )
    frames = _describe_all(ended.frames, plan)
    if ended.code == OUT_OF_FUEL:
        return GuestError("out-of-fuel", "the fuel is used up", frames=frames, fuel_used=fuel_used)
    return GuestError("trap", ended.code.replace("-", " "), frames=frames)


def _describe_all(frames: Sequence[Frame], plan: LinkPlan) -> tuple[GuestFrame, ...]:
    """Describe the frames of guest modules, innermost first; those of the kernel are left out."""
    by_code = {str(node.code): node.code for node in plan.nodes}
    return tuple(
        _describe(frame, by_code[frame.module], plan) for frame in frames if frame.module in by_code
    )


def _describe(frame: Frame, code: Cid, plan: LinkPlan) -> GuestFrame:
    nodes = [node for node in plan.nodes if node.code == code]
    names = read_names(plan.code[code], nodes[0].info)
    function = names.get(frame.function_index) or frame.function or f"#{frame.function_index}"
    return GuestFrame(
        function="".join(each if each.isprintable() else repr(each)[1:-1] for each in function),
        module=str(code),
        linked_as=tuple(str(node.cid) for node in nodes if node.cid != code),
    )
