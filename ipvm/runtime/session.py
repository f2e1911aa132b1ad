"""A session as a Python programmer meets it: a program whose functions share one living instance."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import final

from ipvm.ipld import Value
from ipvm.runtime.by_name import FunctionsByName
from ipvm.runtime.entry import Entry, LoadedProgram
from ipvm.runtime.live import Live, SessionClosed
from ipvm.runtime.live_function import LiveFunction
from ipvm.runtime.options import CallOptions, Measured
from ipvm.runtime.presentation import as_html, headline, help_text
from ipvm.runtime.runtime import Runtime

__all__ = ["Session", "SessionClosed", "SessionFunction", "session"]


@final
class SessionFunction:
    """One function of a session. Awaiting a call runs it in the instance of the session."""

    def __init__(self, live: Live, entry: Entry, options: CallOptions) -> None:
        self._live = live
        self._function = LiveFunction(entry, options)
        self.cid = entry.program.plan.root.cid
        self.name = entry.name
        self.signature = entry.signature
        self.__name__ = entry.name
        self.__doc__ = help_text(entry)

    async def __call__(self, *arguments: object) -> Value:
        """Call the function, after those who called before.

        Other tasks run meanwhile if the function computes for longer than a millisecond or waits, and
        at least once in a millisecond of short calls.

        Args:
            arguments: One for each parameter of the signature; see `ipvm.Function`.

        Raises:
            InvalidArguments: They do not fit the signature. The session goes on.
            GuestError: The function failed. The session goes on only after an `abort` and an
                `invalid-result`.
            SessionClosed: The session is closed, or an earlier call has ended it.
        """
        return await self._live.call(self._function, arguments)

    async def measured(self, *arguments: object) -> Measured:
        """Call the function, and give its result with the fuel that it used."""
        return await self._live.measured(self._function, arguments)

    def __repr__(self) -> str:
        return f"<function {headline(self._function.entry)} of a session of {self.cid}>"

    def _repr_html_(self) -> str:
        return as_html(self._function.entry)


@final
class Session(FunctionsByName[SessionFunction]):
    """A living instance of a program: its functions are attributes, and entries by name.

    What a call leaves in the memory of the program is there for the next one. So what a function gives
    depends on what was called before, no call has a receipt, and none is answered from memory.

    Attributes:
        cid: CID of the manifest or of the code.
        options: The bounds: fuel of each call, and memory of the instance as long as it lives.
    """

    _called = "session of"

    def __init__(self, live: Live, loaded: LoadedProgram, options: CallOptions) -> None:
        super().__init__(loaded, options)
        self._live = live

    @property
    def is_speaking_here(self) -> bool:
        """Whether this thread is inside a call of the session, as what listens to it is."""
        return self._live.is_speaking_here

    def _function(self, entry: Entry) -> SessionFunction:
        return SessionFunction(self._live, entry, self.options)

    def _repr_html_(self) -> str:
        rows = "".join(f"<li>{self[name]._repr_html_()}</li>" for name in self)
        return f"<div>session of <code>{self.cid}</code><ul>{rows}</ul></div>"


@asynccontextmanager
async def session(
    runtime: Runtime, loaded: LoadedProgram, options: CallOptions
) -> AsyncIterator[Session]:
    """Bring a program to life for as long as the block lasts; see `Program.session`."""
    live = await Live.open(runtime, loaded, options)
    try:
        yield Session(live, loaded, options)
    finally:
        await live.close()
