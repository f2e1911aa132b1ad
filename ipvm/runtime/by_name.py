"""Functions of a program by their names: as attributes, and as entries."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Generic, Protocol, TypeVar

from ipvm.model.wording import listed
from ipvm.runtime.entry import Entry, LoadedProgram
from ipvm.runtime.options import CallOptions

__all__ = ["FunctionsByName"]


class _Shown(Protocol):
    def _repr_html_(self) -> str: ...


_F = TypeVar("_F", bound=_Shown)


class FunctionsByName(ABC, Generic[_F]):
    """What has the functions of a program. Each is made when it is asked for first.

    Attributes:
        cid: CID of the manifest or of the code.
        options: The bounds of its calls.
    """

    _called: ClassVar[str]
    """What it is, for who looks at it."""

    def __init__(self, loaded: LoadedProgram, options: CallOptions) -> None:
        self._loaded = loaded
        self._functions: dict[str, _F] = {}
        self.cid = loaded.program.plan.root.cid
        self.options = options

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the functions that can be called, sorted."""
        return self._loaded.functions

    @abstractmethod
    def _function(self, entry: Entry) -> _F:
        """Make a function."""

    def __getitem__(self, name: str) -> _F:
        """Give a function by name.

        Raises:
            InvalidArguments: There is no such function.
        """
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = self._function(self._loaded.entry(name))
        return function

    def __getattr__(self, name: str) -> _F:
        if name.startswith("_"):  # also one of ours, in a copy that is not filled yet
            raise AttributeError(name)
        if name in self.functions:
            return self[name]
        raise AttributeError(f"{self.cid} has no function {name}; it has {listed(self.functions)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.functions)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.functions]

    def __repr__(self) -> str:
        return f"<{self._called} {self.cid} with {listed(self.functions)}>"
