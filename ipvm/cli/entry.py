"""Run a command line, and tell how it ended by an exit code.

The codes are those of the errors: 3 not found, 4 invalid data, 5 the function failed, 6 and 7
refused, 8 a link, 9 unavailable. Besides: 0 success, 1 an ordinary failure, 2 usage, 70 a bug of
ours, and 130 interrupted.
"""

import gc
import os
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import NoReturn

import click

from ipvm.cli.failures import report
from ipvm.cli.group import COMPLETION_VARIABLE, ipvm

__all__ = ["main", "run"]


def main() -> NoReturn:
    """Run the command line of this process."""
    # Importing leaves nothing to collect, and looking for it again and again would take a fifth of
    # the time of a call; `session` turns the collector on when the work begins. What is left at the
    # end goes with the process.
    gc.disable()
    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and give its exit code.

    Args:
        arguments: The words behind `ipvm`.
    """
    # click may fail before it comes to this option, and that failure has its form too.
    as_json = "--json" in takewhile(lambda word: word != "--", arguments)
    try:
        return _run(arguments)
    except BaseException as error:  # noqa: BLE001 - here ends everything, each thing in its way
        return report(error, as_json=as_json)


def _run(arguments: Sequence[str]) -> int:
    instruction = os.environ.get(COMPLETION_VARIABLE)
    if instruction:
        from click.shell_completion import shell_complete  # noqa: PLC0415 - for shells alone

        return shell_complete(ipvm, {}, "ipvm", COMPLETION_VARIABLE, instruction)
    # `ipvm.main` of click would have ideas of its own about interrupts and readers that go away.
    try:
        with ipvm.make_context("ipvm", list(arguments)) as context:
            ipvm.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()
    return 0
