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
PAUSE_MIN: Final = 64
"""Calls on fibers before one is tried again; twice as many after each time that this was in vain."""
PAUSE_MAX: Final = 4096
TRIED_MEMORIES_MAX: Final = 100
"""Memories of a program whose calls are tried: their mappings are not counted, as those of held
guests are."""


@final
class Entry:
    """One function of a program.

    Attributes:
        takes_blocks: Whether an argument or a result travels as a block.
        brief: Whether a call is worth trying without a fiber; False for a while after one computed for
            long, or had to wait again and again.
        is_welcome: Whether it may begin on the trio thread; False once it held that up.
        waits: Whether a call has had to wait for the host.
        calls: Calls that were made, up to some number.
    """

    __slots__ = (
        "_pause",
        "_rest",
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
        is_plain = not (program.initializes or program.calls_wasi)
        self.brief = is_small and is_plain and is_stack_ample()
        self._tries = 1 if program.engine.metered else UNMETERED_TRIES
        self._pause = PAUSE_MIN
        self._rest = 0

    def give_up(self) -> None:
        """Note that a call had to be run on a fiber, and try none for a while."""
        self._tries -= 1
        if self._tries <= 0:
            self.brief = False
            self._rest = self._pause
            self._pause = min(2 * self._pause, PAUSE_MAX)

    def note_fiber(self) -> None:
        """Note a call that was not tried: calls differ, so one is tried again some time."""
        if self._rest:
            self._rest -= 1
            self.brief = self._rest == 0 and self.is_welcome


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
