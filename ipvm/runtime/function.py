"""Functions as a Python programmer meets them: attributes of a program, to be awaited."""

from collections.abc import AsyncIterable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, final

from ipvm.ipld import Value
from ipvm.runtime.by_name import FunctionsByName
from ipvm.runtime.entry import Entry, LoadedProgram
from ipvm.runtime.keeping import pins_of_record
from ipvm.runtime.options import CallOptions, Measured
from ipvm.runtime.presentation import as_html, headline, help_text
from ipvm.runtime.receipt import Receipt
from ipvm.runtime.runtime import Runtime
from ipvm.store import Pin

if TYPE_CHECKING:
    from ipvm.runtime.batch import Batch
    from ipvm.runtime.session import Session

__all__ = ["Function", "Program"]


@final
class Function:
    """One exported function. Awaiting a call runs it in a fresh sandbox and gives its result."""

    def __init__(self, runtime: Runtime, entry: Entry, options: CallOptions) -> None:
        self._runtime = runtime
        self._entry = entry
        self._options = options
        self.cid = entry.program.plan.root.cid
        self.name = entry.name
        self.signature = entry.signature
        self.__name__ = entry.name
        self.__doc__ = help_text(entry)

    async def __call__(self, *arguments: object) -> Value:
        """Call the function.

        Args:
            arguments: One for each parameter of the signature: numbers, bool, bytes, str, `Cid`
                for `link`, and for `ipld` anything made of these, lists and dicts.

        Raises:
            InvalidArguments: They do not fit the signature.
            GuestError: The function trapped, aborted or ran out of fuel.
        """
        return (await self._runtime.answer(self._entry, arguments, self._options))[0]

    async def measured(self, *arguments: object) -> Measured:
        """Call the function, and give its result with the fuel that it used."""
        return Measured(*await self._runtime.answer(self._entry, arguments, self._options))

    async def receipt(self, *arguments: object) -> Receipt:
        """Call the function and give the receipt, which is stored; see `Receipt`.

        A function that fails has a receipt too: its `error` says how, and its `value` raises it.
        """
        return await self._runtime.receipt(self._entry, arguments, self._options)

    def pins_of(self, receipt: Receipt) -> list[Pin]:
        """Give the pins that keep a receipt of this function, and all that it is about."""
        return pins_of_record(receipt.cid, self._entry.program)

    def map(
        self,
        values: Iterable[object] | AsyncIterable[object],
        *,
        concurrency: int | None = None,
    ) -> "Batch[Value]":
        """Call the function on many values, each in a sandbox of its own, several at a time.

        Awaiting it gives a list of the results, in the order of the values; `async with` around
        `async for` gives them one after the other. See `Batch`.

        Args:
            values: One for each call, where the function has one parameter; else tuples of
                arguments. They are taken when they are needed, so there may be any number.
            concurrency: Calls at a time: 4 for each core, if it is not given.

        Raises:
            InvalidArguments: There is to be no call at a time.
        """
        from ipvm.runtime.batch import Batch  # noqa: PLC0415 - most programs make none
        from ipvm.runtime.items import spread  # noqa: PLC0415

        async def call(item: object) -> Value:
            return await self(*spread(item, self.signature, name=self.name))

        return Batch(call, values, concurrency=concurrency)

    def receipts(
        self,
        values: Iterable[object] | AsyncIterable[object],
        *,
        concurrency: int | None = None,
    ) -> "Batch[Receipt]":
        """Call the function on many values like `map`, and give the receipts.

        A call that fails has a receipt too, so that does not end the others.
        """
        from ipvm.runtime.batch import Batch  # noqa: PLC0415 - most programs make none
        from ipvm.runtime.items import spread  # noqa: PLC0415

        async def call(item: object) -> Receipt:
            return await self.receipt(*spread(item, self.signature, name=self.name))

        return Batch(call, values, concurrency=concurrency)

    def __repr__(self) -> str:
        return f"<function {headline(self._entry)} of {self.cid}>"

    def _repr_html_(self) -> str:
        return as_html(self._entry)


@final
class Program(FunctionsByName[Function]):
    """A linked program: its functions are attributes, and entries by name.

    A function whose name begins with an underscore, or is that of something else here, is an entry
    only.

    Attributes:
        cid: CID of the manifest or of the code.
        options: The bounds of its calls.
    """

    _called = "program"

    def __init__(self, runtime: Runtime, loaded: LoadedProgram, options: CallOptions) -> None:
        super().__init__(loaded, options)
        self._runtime = runtime

    def using(self, *, fuel: int | None = None, memory: int | None = None) -> "Program":
        """Give the same program with other bounds for its calls; see `CallOptions`.

        The profile stays: a program is compiled for the one that it was loaded with.
        """
        options = CallOptions(
            fuel=self.options.fuel if fuel is None else fuel,
            memory=self.options.memory if memory is None else memory,
            profile=self.options.profile,
        )
        return Program(self._runtime, self._loaded, options)

    def session(self) -> AbstractAsyncContextManager["Session"]:
        """Bring the program to life for as long as an `async with` lasts.

        Its functions then share one instance, with all that a call leaves in its memory; see
        `Session`. The bounds are those of the program: the memory is that of the instance, and each
        call has the fuel, as has what the program initialises at the beginning.

        Raises:
            GuestError: The program failed to initialise.
            Refused: It does not start within the bounds.
        """
        from ipvm.runtime.session import session  # noqa: PLC0415 - most programs open none

        return session(self._runtime, self._loaded, self.options)

    def _function(self, entry: Entry) -> Function:
        return Function(self._runtime, entry, self.options)

    def _repr_html_(self) -> str:
        rows = "".join(f"<li>{self[name]._repr_html_()}</li>" for name in self)
        return f"<div><code>{self.cid}</code><ul>{rows}</ul></div>"
