"""Every failure that a caller can meet, sorted by what to do next.

The class answers "what now?" and carries the exit code of the shell: invalid data means stop,
not found and unavailable mean elsewhere or later, a link error means fix the manifest, a refusal
means ask for more, and a guest error *is* the answer. Anything that is not an `IpvmError` is a bug
of ours and ends the process with exit code 70.

Packages derive their own conditions from these, next to the thing that fails (`BlockNotFound` lives
with blocks), so that this module knows no type of theirs.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

__all__ = [
    "Denied",
    "FailureKind",
    "GuestError",
    "GuestFrame",
    "InvalidArguments",
    "InvalidData",
    "IpvmError",
    "LimitExceeded",
    "LinkError",
    "NotFound",
    "Refused",
    "Unavailable",
]


class IpvmError(Exception):
    """The root of all conditions that this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class InvalidData(IpvmError):
    """What was given is malformed or does not match its CID. Trying again does not help."""

    exit_code = 4


class InvalidArguments(InvalidData):
    """The arguments of a call do not fit the signature of the function."""


class NotFound(IpvmError):
    """The thing is not here, and nobody who was asked has it."""

    exit_code = 3


class Unavailable(IpvmError):
    """Nobody answered in time. The same request may succeed later or elsewhere."""

    exit_code = 9


class LinkError(IpvmError):
    """An import is missing or the export that serves it has another type. Fix the manifest."""

    exit_code = 8


class Refused(IpvmError):
    """The request is well formed, and this runtime does not do it as it is set up."""

    exit_code = 6


class LimitExceeded(Refused):
    """A bound was reached.

    Attributes:
        limit: Name of the bound, as in `ipvm.Limits` or in the spec.
        maximum: Its value.
        found: What was met, where it is known.
    """

    def __init__(
        self, limit: str, maximum: float, *, found: float | None = None, how: str = ""
    ) -> None:
        self.limit = limit
        self.maximum = maximum
        self.found = found
        met = "" if found is None else f" (found {found})"
        hint = f"; {how}" if how else ""
        super().__init__(f"the limit {limit} is {maximum}{met}{hint}")


class Denied(Refused):
    """A grant is missing. The message names it."""

    exit_code = 7


@dataclass(frozen=True, slots=True)
class GuestFrame:
    """One frame of the backtrace of a guest."""

    function: str
    """Name of the function, or its index where the module does not name it."""
    module: str
    """CID of the code."""
    linked_as: tuple[str, ...]
    """CIDs of the manifests of the program that have this code."""

    def __str__(self) -> str:
        manifests = f" of {' or '.join(self.linked_as)}" if self.linked_as else ""
        return f"{self.function} in {self.module}{manifests}"


FailureKind: TypeAlias = Literal["trap", "abort", "out-of-fuel", "invalid-result"]
"""How a guest may end without a result."""


class GuestError(IpvmError):
    """The guest ended without a result, and that is the answer.

    Attributes:
        kind: `trap`, `abort`, `out-of-fuel` or `invalid-result`.
        code: What the guest gave to `ipvm.abort`, else None.
        detail: The name of the trap, the message of the abort, or what is wrong with the result;
            as the guest gave it, where the message of this exception is escaped.
        frames: The backtrace, innermost first. It is not part of a receipt.
        fuel_used: Fuel used until then; None after a trap, where the count cannot be relied on.
    """

    exit_code = 5

    def __init__(
        self,
        kind: FailureKind,
        detail: str,
        *,
        code: int | None = None,
        frames: tuple[GuestFrame, ...] = (),
        fuel_used: int | None = None,
    ) -> None:
        self.kind = kind
        self.fuel_used = fuel_used
        self.code = code
        self.detail = detail
        self.frames = frames
        super().__init__(kind, detail)

    def __str__(self) -> str:
        number = "" if self.code is None else f" with code {self.code}"
        trace = "".join(f"\n  at {frame}" for frame in self.frames)
        return f"the function ended by {self.kind}{number}: {_printable(self.detail)}{trace}"


def _printable(text: str) -> str:
    """Escape what could rewrite a terminal: the text is a guest's."""
    if text.isprintable():
        return text
    # Characters are looked at once, however often they stand in the text.
    odd = {each for each in set(text) if not (each.isprintable() or each in "\n\t")}
    return text.translate({ord(each): each.encode("unicode_escape").decode() for each in odd})
