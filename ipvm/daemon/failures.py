"""What each failure is over HTTP: one status, and a body that a program can read.

The class of an error answers "what now?" there as it does in the shell: each exit code has one status,
and what has no exit code, because it is about HTTP alone, has a kind of its own.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import UNSET

from ipvm import errors
from ipvm.daemon.shapes import Failed, Guest, Kind, Problem
from ipvm.errors import GuestError, IpvmError, LimitExceeded
from ipvm.ipld import DAG_JSON, encode
from ipvm.web import Answer

__all__ = [
    "STATUSES",
    "BodyTooLarge",
    "Bug",
    "Busy",
    "Forbidden",
    "HttpCondition",
    "MethodNotAllowed",
    "Unauthorized",
    "WrongContentType",
    "failed",
    "json_answer",
    "problem_of",
]


class HttpCondition(Exception):
    """A request is refused for what it is over HTTP. It never leaves this package."""


class Unauthorized(HttpCondition):
    """The token is missing, or another one."""


class Forbidden(HttpCondition):
    """The request comes from another site, or was sent to a name that is not ours."""


class MethodNotAllowed(HttpCondition):
    """The path takes other methods."""

    def __init__(self, methods: Iterable[str]) -> None:
        self.methods = ", ".join(sorted(methods))
        super().__init__(f"this takes {self.methods}")


class BodyTooLarge(HttpCondition):
    """There is a body where none belongs."""


class WrongContentType(HttpCondition):
    """The body says that it is no JSON."""


class Busy(HttpCondition):
    """So many functions run at this moment that no more may."""


class Bug(HttpCondition):
    """Something is wrong here, and the log has it."""


STATUSES: Final[Mapping[Kind, int]] = MappingProxyType(
    {
        "InvalidArguments": 400,
        "InvalidData": 400,
        "Unauthorized": 401,
        "Denied": 403,
        "Forbidden": 403,
        "NotFound": 404,
        "MethodNotAllowed": 405,
        "LimitExceeded": 409,
        "Refused": 409,
        "BodyTooLarge": 413,
        "WrongContentType": 415,
        "GuestError": 422,
        "LinkError": 424,
        "Busy": 429,
        "Bug": 500,
        "Unavailable": 504,
    }
)
"""The status of each kind of failure."""

_KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind: kind for kind in STATUSES})
_EXTRA_HEADERS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {401: ("WWW-Authenticate", 'Bearer realm="ipvm"'), 429: ("Retry-After", "1")}
)


def json_answer(status: int, fields: Mapping[str, object], *headers: tuple[str, str]) -> Answer:
    """Answer with an object, in DAG-JSON.

    Raises:
        InvalidEncoding: DAG-JSON cannot say it.
    """
    said = {name: value for name, value in fields.items() if value is not UNSET}
    body = encode(said, DAG_JSON) + b"\n"  # type: ignore[arg-type]  # the codec checks it
    given = {name.lower() for name, _ in headers}
    common = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")]
    if "cache-control" not in given:
        common.append(("Cache-Control", "no-store"))
    return Answer(status, (*common, *headers), body)


def failed(error: IpvmError | HttpCondition, **record: object) -> Answer:
    """Answer with a failure.

    Args:
        error: What was raised.
        record: Other fields of `Failed`.
    """
    problem = problem_of(error)
    status = STATUSES[problem.kind]
    extra = [_EXTRA_HEADERS[status]] if status in _EXTRA_HEADERS else []
    if isinstance(error, MethodNotAllowed):
        extra.append(("Allow", error.methods))
    fields = msgspec.to_builtins(Failed(error=problem))
    return json_answer(status, {**fields, **record}, *extra)


def problem_of(error: IpvmError | HttpCondition) -> Problem:
    """Say what is wrong, as the body of an answer says it."""
    kind = _kind(type(error))
    return Problem(
        kind=kind,
        code=error.exit_code if isinstance(error, IpvmError) else None,
        message=_sayable(str(error)),
        condition=type(error).__name__,
        guest=_guest(error) if isinstance(error, GuestError) else UNSET,
        limit=error.limit if isinstance(error, LimitExceeded) else UNSET,
        maximum=float(error.maximum) if isinstance(error, LimitExceeded) else UNSET,
    )


def _kind(condition: type[IpvmError | HttpCondition]) -> Kind:
    """The nearest class of an error that has a status."""
    for each in condition.__mro__:
        if each.__name__ in _KINDS and each.__module__ in {errors.__name__, __name__}:
            return _KINDS[each.__name__]
    return "Bug"  # no condition is an IpvmError and nothing more


def _guest(error: GuestError) -> Guest:
    return Guest(
        kind=error.kind,
        detail=_sayable(error.detail),
        code=error.code,
        frames=[_sayable(str(each)) for each in error.frames],
    )


def _sayable(text: str) -> str:
    """Text that UTF-8 has letters for: names of guests may hold anything."""
    return text.encode(errors="backslashreplace").decode()
