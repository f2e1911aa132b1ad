"""What can be worked out about a function of a session before it is called.

Most arguments are numbers of the very type that the function takes, and go to the guest as they are. To
see that, type and range are compared; all else takes the way of every call.
"""

from collections.abc import Sequence
from typing import Final, final

from ipvm.engine import ResidentFunction
from ipvm.linker import LinkedStore
from ipvm.model import BLOCK_TYPES, Type, arguments, wasm_type
from ipvm.runtime.abi import Operand, operands_from_values
from ipvm.runtime.entry import Entry
from ipvm.runtime.executor import Task
from ipvm.runtime.runtime import CallOptions

__all__ = ["LiveFunction", "task_of"]


class _Nothing:
    """What no value is of."""


_EXACT: Final[dict[Type, tuple[type, float, float]]] = {
    "i32": (int, -(1 << 31), (1 << 31) - 1),
    "i64": (int, -(1 << 63), (1 << 63) - 1),
    "f64": (float, float("-inf"), float("inf")),
}
"""Values that go to a guest as they are: of which Python type, from where to where."""
_NONE: Final = (_Nothing, 0.0, 0.0)
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

    __slots__ = ("_exact", "entry", "gives_number", "resident", "takes_blocks", "task")

    def __init__(self, entry: Entry, options: CallOptions) -> None:
        signature = entry.signature
        self.entry = entry
        self.task = task_of(entry, options)
        self.takes_blocks = not BLOCK_TYPES.isdisjoint(signature.params)
        self.gives_number = len(signature.results) == 1 and signature.results[0] in _NUMBERS
        self.resident: ResidentFunction | None = None
        self._exact = [_EXACT.get(type_, _NONE) for type_ in signature.params]

    def operands(self, values: Sequence[object]) -> Sequence[Operand]:
        """Check the arguments of a call, and give what goes to the guest for them.

        Raises:
            InvalidArguments: They do not fit the signature.
        """
        if len(values) == len(self._exact):
            for value, (kind, lowest, highest) in zip(values, self._exact, strict=True):
                if type(value) is not kind or not lowest <= value <= highest:  # type: ignore[operator]
                    break
            else:
                return values  # type: ignore[return-value] # each is an int or a float
        signature = self.entry.signature
        return operands_from_values(signature, arguments(signature, values, name=self.entry.name))

    def settle(self, linked: LinkedStore) -> ResidentFunction:
        """Get ready to call it in a store, where it stays."""
        signature = self.entry.signature
        self.resident = ResidentFunction(
            linked.store,
            linked.export(self.entry.name),
            [wasm_type(type_) for type_ in signature.params],
            [wasm_type(type_) for type_ in signature.results],
        )
        return self.resident


def task_of(entry: Entry, options: CallOptions) -> Task:
    """Give the task of a call whose arguments somebody else carries in."""
    fuel = options.fuel if entry.program.profile == "deterministic" else None
    return Task(entry=entry, operands=(), fuel=fuel, memory=options.memory)
