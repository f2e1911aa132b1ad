"""What can be worked out about a function of a session before it is called."""

from typing import Final, final

from ipvm.engine import ResidentFunction
from ipvm.linker import LinkedStore
from ipvm.model import BLOCK_TYPES, wasm_type
from ipvm.runtime.entry import Entry
from ipvm.runtime.options import CallOptions
from ipvm.runtime.task import task_of

__all__ = ["LiveFunction"]

_NUMBERS: Final = frozenset({"i32", "i64", "f32", "f64"})


@final
class LiveFunction:
    """One function of a live program.

    Attributes:
        task: What a call of it is, for what serves it.
        takes_blocks: Whether an argument goes to it as a block.
        gives_number: Whether what it returns is the result as it is.
        resident: What calls it, once it has been called.
    """

    __slots__ = ("entry", "gives_number", "resident", "takes_blocks", "task")

    def __init__(self, entry: Entry, options: CallOptions) -> None:
        signature = entry.signature
        self.entry = entry
        self.task = task_of(entry, options)
        self.takes_blocks = not BLOCK_TYPES.isdisjoint(signature.params)
        self.gives_number = len(signature.results) == 1 and signature.results[0] in _NUMBERS
        self.resident: ResidentFunction | None = None

    def settle(self, linked: LinkedStore) -> ResidentFunction:
        """Get ready to call it in a store, where it stays."""
        signature = self.entry.signature
        self.resident = ResidentFunction(
            linked.store,
            linked.export(self.entry.export),
            [wasm_type(type_) for type_ in signature.params],
            [wasm_type(type_) for type_ in signature.results],
        )
        return self.resident
