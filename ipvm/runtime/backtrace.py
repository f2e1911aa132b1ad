"""Name the frames of a trap: which function, of which module, linked as what."""

from collections.abc import Sequence

from ipvm.engine import Frame
from ipvm.errors import GuestFrame
from ipvm.ipld import Cid
from ipvm.linker import LinkPlan
from ipvm.wasm import read_names

__all__ = ["guest_frames"]


def guest_frames(frames: Sequence[Frame], plan: LinkPlan) -> tuple[GuestFrame, ...]:
    """Describe the frames of guest modules, innermost first; those of the kernel are left out."""
    by_code: dict[str, Cid] = {str(node.code): node.code for node in plan.nodes}
    return tuple(
        _describe(frame, by_code[frame.module], plan) for frame in frames if frame.module in by_code
    )


def _describe(frame: Frame, code: Cid, plan: LinkPlan) -> GuestFrame:
    nodes = [node for node in plan.nodes if node.code == code]
    names = read_names(plan.code[code], nodes[0].info)
    function = names.get(frame.function_index) or frame.function or f"#{frame.function_index}"
    return GuestFrame(
        function=function,
        module=str(code),
        linked_as=tuple(str(node.cid) for node in nodes if node.cid != code),
    )
