"""The functions of a program, each with all that can be worked out before it is called."""

from typing import Final, final

from ipvm.engine import Attempt, CallShape, is_stack_ample
from ipvm.linker import CompiledProgram
from ipvm.model import BLOCK_TYPES, Signature, wasm_type
from ipvm.runtime.abi import callable_names, signature_of
from ipvm.runtime.direct import DirectArguments

__all__ = ["Entry", "LoadedProgram"]

UNMETERED_TRIES: Final = 3
"""Calls that are tried for too long before none is tried, where time counts: the machine may be slow
at the moment."""
TRIED_MEMORIES_MAX: Final = 100
"""Memories of a program whose calls are tried: their mappings are not counted, as those of held
guests are."""


@final
class Entry:
    """One function of a program.

    Attributes:
        takes_blocks: Whether an argument or a result travels as a block.
        brief: Whether a call is worth trying without a fiber; False once one computed for long, or
            had to wait again and again.
        is_welcome: Whether it may begin on the trio thread; False once it held that up.
        waits: Whether a call has had to wait for the host.
        calls: Calls that were made, up to some number.
    """

    __slots__ = (
        "_tries",
        "arguments",
        "attempt",
        "brief",
        "calls",
        "export",
        "is_welcome",
        "name",
        "program",
        "shape",
        "signature",
        "takes_blocks",
        "waits",
    )

    def __init__(self, program: CompiledProgram, name: str, signature: Signature) -> None:
        self.program = program
        self.name = name
        self.export = name.encode()
        self.signature = signature
        self.shape = CallShape(
            [wasm_type(type_) for type_ in signature.params],
            [wasm_type(type_) for type_ in signature.results],
        )
        self.attempt = Attempt(self.shape)
        self.arguments = DirectArguments(signature, name)
        self.calls = 0
        self.waits = False
        self.is_welcome = True
        self.takes_blocks = not BLOCK_TYPES.isdisjoint(signature.params + signature.results)
        is_small = len(program.recipe.memories) <= TRIED_MEMORIES_MAX
        self.brief = is_small and not program.initializes and is_stack_ample()
        self._tries = 1 if program.engine.metered else UNMETERED_TRIES

    def give_up(self) -> None:
        """Note that a call had to be run on a fiber, and try no more if that is how it is."""
        self._tries -= 1
        self.brief = self.brief and self._tries > 0


@final
class LoadedProgram:
    """A program that is ready to be called."""

    __slots__ = ("_entries", "program")

    def __init__(self, program: CompiledProgram) -> None:
        self.program = program
        self._entries: dict[str, Entry] = {}

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the functions that can be called, sorted."""
        root = self.program.plan.root
        return callable_names(root.info, root.signatures)

    def entry(self, name: str) -> Entry:
        """Give a function by name.

        Raises:
            InvalidArguments: There is none, or no value can be passed to it.
        """
        entry = self._entries.get(name)
        if entry is None:
            root = self.program.plan.root
            signature = signature_of(root.info, root.signatures, name)
            entry = self._entries[name] = Entry(self.program, name, signature)
        return entry
