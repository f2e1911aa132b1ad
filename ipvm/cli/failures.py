"""Say why a command failed, what to do about it, and by which exit code the shell learns of it.

A traceback is for those who can mend what it shows, so it appears for bugs of ours and never else.
"""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Final

import click

from ipvm import errors
from ipvm.cli.terminal import escaped, indented, is_terminal, json_escaped, say
from ipvm.errors import GuestError, IpvmError, LimitExceeded

__all__ = ["OutputFailed", "report"]

_EXIT_FAILURE: Final = 1
_EXIT_BUG: Final = 70
_EXIT_INTERRUPTED: Final = 130

_NEXT_STEPS: Final[tuple[tuple[type[IpvmError], str], ...]] = (
    (errors.InvalidArguments, "`ipvm inspect TARGET` shows what it offers and what it imports"),
    (errors.Unavailable, "try again later"),
    (errors.LinkError, "`ipvm inspect TARGET` shows every import and what serves it"),
)
_BUG: Final = (
    "This is a bug in ipvm, and not your fault. Please report it, with the lines above, "
    "the command that you ran, and what `ipvm doctor` prints."
)


class OutputFailed(IpvmError):
    """Standard output cannot be written."""


def report(error: BaseException, *, as_json: bool) -> int:
    """Write why a command ended, and give its exit code.

    Args:
        error: What the command raised.
        as_json: Write it as one line of JSON.
    """
    cause = _cause(error)
    match cause:
        case SystemExit():
            return cause.code if isinstance(cause.code, int) else _EXIT_FAILURE
        case BrokenPipeError():
            _forget_output()
            return _EXIT_FAILURE
        case KeyboardInterrupt():
            if is_terminal(sys.stderr):
                say()  # so that it does not stand behind the ^C
            return _told("Interrupted", "interrupted", _EXIT_INTERRUPTED, as_json=as_json)
        case click.ClickException():
            return _report_usage(cause, as_json=as_json)
        case IpvmError():
            return _report_condition(cause, as_json=as_json)
        case _:
            return _report_bug(error, as_json=as_json)


def _cause(error: BaseException) -> BaseException:
    """Find what happened in a group of exceptions: the one that is least expected."""
    found = list(_leaves(error))
    interrupts = [each for each in found if isinstance(each, KeyboardInterrupt)]
    unexpected = [each for each in found if not isinstance(each, IpvmError)]
    return (interrupts or unexpected or found)[0]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    ahead = [error]
    while ahead:
        each = ahead.pop()
        if isinstance(each, BaseExceptionGroup):
            ahead.extend(reversed(each.exceptions))
        else:
            yield each


def _forget_output() -> None:
    """Let nobody complain at exit that what is left in the buffer cannot be written."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_usage(error: click.ClickException, *, as_json: bool) -> int:
    if as_json:
        return _told("UsageError", error.format_message(), error.exit_code, as_json=True)
    with contextlib.suppress(OSError):
        error.show()
    return error.exit_code


def _report_condition(error: IpvmError, *, as_json: bool) -> int:
    name, message = type(error).__name__, str(error)
    if as_json:
        return _told(name, message, error.exit_code, as_json=True, **_details(error))
    hint = _next_step(error)
    message = f"{message}\n{hint}" if hint else message
    return _told(name, message, error.exit_code, as_json=False)


def _next_step(error: IpvmError) -> str:
    if isinstance(error, GuestError) and error.kind == "out-of-fuel":
        return "give it more with --fuel N"
    if isinstance(error, errors.NotFound) and hasattr(error, "cid"):  # a block; the class is costly
        return "take it from somewhere with --gateway URL, --peer ADDRESS or --from FOLDER, or put it here"
    return next((hint for kind, hint in _NEXT_STEPS if isinstance(error, kind)), "")


def _details(error: IpvmError) -> dict[str, object]:
    if isinstance(error, GuestError):
        frames = [
            {"function": each.function, "module": each.module, "linked_as": each.linked_as}
            for each in error.frames
        ]
        code = {} if error.code is None else {"code": error.code}
        return {"kind": error.kind, "detail": error.detail, "frames": frames, **code}
    if isinstance(error, LimitExceeded):
        return {"limit": error.limit, "maximum": error.maximum}
    if type(error).__name__ == "InvalidCar":  # the class is costly
        return {key: getattr(error, key) for key in ("offset", "blocks", "problem")}
    return {}


def _report_bug(error: BaseException, *, as_json: bool) -> int:
    trace = "".join(traceback.format_exception(error))
    if as_json:
        return _told("Bug", str(error), _EXIT_BUG, as_json=True, traceback=trace)
    say(escaped(trace) + _BUG)
    return _EXIT_BUG


def _told(name: str, message: str, exit_code: int, *, as_json: bool, **details: object) -> int:
    if as_json:
        record = {
            "$type": "ipvm/error/1",
            "error": name,
            "exit": exit_code,
            "message": message,
            **details,
        }
        say(json_escaped(json.dumps(record, ensure_ascii=False)))
    else:
        say(f"Error: {indented(escaped(message))}")
    return exit_code
