"""The command `ipvm`.

Standard output holds the payload and nothing else; everything else goes to standard error. Each
command is a module of its own that is imported when it is used, so that `ipvm --help` loads click
and none of the package. What the commands share stands beside them:

* `entry` runs a command line and turns how it ended into an exit code, with `failures`;
* `group` and `options` are what click needs to know: the commands, and the options all of them take;
* `session` opens the node for a command, `output` and `terminal` write, `activity` shows progress;
* `inputs`, `arguments` and `results` carry what people type to functions, and back.
"""

import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main", "run"]

_EXIT_INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line of this process."""
    try:
        from ipvm.cli.entry import main as main_of_entry  # noqa: PLC0415 - it takes a moment
    except KeyboardInterrupt:
        sys.exit(_EXIT_INTERRUPTED)
    main_of_entry()


def run(arguments: Sequence[str]) -> int:
    """Run a command line and give its exit code; see `ipvm.cli.entry`."""
    from ipvm.cli.entry import run as run_of_entry  # noqa: PLC0415 - as above

    return run_of_entry(arguments)
