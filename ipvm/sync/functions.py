"""Programs and their functions, whose methods wait."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import final

from ipvm.errors import Refused
from ipvm.ipld import Value
from ipvm.model import Signature
from ipvm.runtime import Function, Measured, Program, Receipt
from ipvm.runtime.items import calls_at_once, spread
from ipvm.store import Pin
from ipvm.sync.batch import in_order
from ipvm.sync.loop import Loop
from ipvm.sync.sessions import SyncSession

__all__ = ["SyncFunction", "SyncProgram"]


@final
class SyncFunction:
    """One exported function; see `ipvm.Function`."""

    def __init__(self, loop: Loop, function: Function) -> None:
        self._loop = loop
        self._function = function
        self.cid = function.cid
        self.name = function.name
        self.signature: Signature = function.signature
        self.__name__ = function.name
        self.__doc__ = function.__doc__

    def __call__(self, *arguments: object) -> Value:
        """Call the function and give its result."""
        return self._loop.wait(lambda: self._function(*arguments))

    def measured(self, *arguments: object) -> Measured:
        """Call the function, and give its result with the fuel that it used."""
        return self._loop.wait(lambda: self._function.measured(*arguments))

    def receipt(self, *arguments: object) -> Receipt:
        """Call the function and give the receipt."""
        return self._loop.wait(lambda: self._function.receipt(*arguments))

    def pins_of(self, receipt: Receipt) -> list[Pin]:
        """Give the pins that keep a receipt of this function, and all that it is about."""
        return self._function.pins_of(receipt)

    def map(self, values: Iterable[object], *, concurrency: int | None = None) -> Iterator[Value]:
        """Call the function on many values, several at a time, and give the results in order.

        The values are taken when they are needed, in this thread. Leaving the loop over the results
        ends the calls that still run, as does the first failure; see `ipvm.Function.map`.
        """
        at_once = calls_at_once(concurrency)

        async def call(item: object) -> Value:
            return await self._function(*spread(item, self.signature, name=self.name))

        return in_order(self._loop, call, values, at_once=at_once)

    def receipts(
        self, values: Iterable[object], *, concurrency: int | None = None
    ) -> Iterator[Receipt]:
        """Call the function on many values like `map`, and give the receipts."""
        at_once = calls_at_once(concurrency)

        async def call(item: object) -> Receipt:
            return await self._function.receipt(*spread(item, self.signature, name=self.name))

        return in_order(self._loop, call, values, at_once=at_once)

    def __repr__(self) -> str:
        return repr(self._function)

    def _repr_html_(self) -> str:
        return self._function._repr_html_()


@final
class SyncProgram:
    """A linked program; see `ipvm.Program`."""

    def __init__(self, loop: Loop, program: Program) -> None:
        self._loop = loop
        self._program = program
        self.cid = program.cid
        self.options = program.options
        self.functions = program.functions

    def using(self, *, fuel: int | None = None, memory: int | None = None) -> "SyncProgram":
        """Give the same program with other bounds for its calls."""
        return SyncProgram(self._loop, self._program.using(fuel=fuel, memory=memory))

    @contextmanager
    def session(self) -> Iterator[SyncSession]:
        """Bring the program to life for as long as a `with` lasts; see `ipvm.Program.session`."""
        opening = self._program.session()
        session = self._loop.wait(opening.__aenter__)
        try:
            yield SyncSession(self._loop, session)
        finally:
            with suppress(Refused):  # the node is closed, and the session with it
                self._loop.wait(lambda: opening.__aexit__(None, None, None))

    def __getitem__(self, name: str) -> SyncFunction:
        """Give a function by name."""
        return SyncFunction(self._loop, self._program[name])

    def __getattr__(self, name: str) -> SyncFunction:
        if name.startswith("_"):
            raise AttributeError(name)
        return SyncFunction(self._loop, getattr(self._program, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.functions)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.functions]

    def __repr__(self) -> str:
        return repr(self._program)

    def _repr_html_(self) -> str:
        return self._program._repr_html_()
