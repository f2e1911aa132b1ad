"""Sessions, whose functions wait."""

from collections.abc import Callable, Coroutine, Iterator
from typing import TypeVar, final

from ipvm.errors import Refused
from ipvm.ipld import Value
from ipvm.model import Signature
from ipvm.runtime import Measured
from ipvm.runtime.session import Session, SessionFunction
from ipvm.sync.loop import Loop

__all__ = ["SyncSession", "SyncSessionFunction"]

_T = TypeVar("_T")


@final
class SyncSessionFunction:
    """One function of a session; see `ipvm.SessionFunction`."""

    def __init__(self, loop: Loop, session: Session, function: SessionFunction) -> None:
        self._loop = loop
        self._session = session
        self._function = function
        self.cid = function.cid
        self.name = function.name
        self.signature: Signature = function.signature
        self.__name__ = function.name
        self.__doc__ = function.__doc__

    def __call__(self, *arguments: object) -> Value:
        """Call the function, after those who called before, and give its result."""
        return self._wait(lambda: self._function(*arguments))

    def measured(self, *arguments: object) -> Measured:
        """Call the function, and give its result with the fuel that it used."""
        return self._wait(lambda: self._function.measured(*arguments))

    def _wait(self, call: Callable[[], Coroutine[object, object, _T]]) -> _T:
        if self._session.is_speaking_here:  # the call would wait for the one that it is part of
            raise Refused("a session cannot be called from what listens to it")
        return self._loop.wait(call)

    def __repr__(self) -> str:
        return repr(self._function)

    def _repr_html_(self) -> str:
        return self._function._repr_html_()


@final
class SyncSession:
    """A living instance of a program; see `ipvm.Session`. Several threads may use it."""

    def __init__(self, loop: Loop, session: Session) -> None:
        self._loop = loop
        self._session = session
        self.cid = session.cid
        self.options = session.options
        self.functions = session.functions

    def __getitem__(self, name: str) -> SyncSessionFunction:
        """Give a function by name."""
        return SyncSessionFunction(self._loop, self._session, self._session[name])

    def __getattr__(self, name: str) -> SyncSessionFunction:
        if name.startswith("_"):
            raise AttributeError(name)
        return SyncSessionFunction(self._loop, self._session, getattr(self._session, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.functions)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.functions]

    def __repr__(self) -> str:
        return repr(self._session)

    def _repr_html_(self) -> str:
        return self._session._repr_html_()
