"""The command `ipvm`.

Standard output holds the payload and nothing else; everything else goes to standard error. Each
command is a module of its own that is imported when it is used, so that `ipvm --help` loads click
and none of the package. What the commands share stands beside them:

* `entry` runs a command line and turns how it ended into an exit code, with `failures`;
* `group` and `options` are what click needs to know: the commands, and the options all of them take;
* `session` opens the node for a command, `output` and `terminal` write, `activity` shows progress;
* `inputs`, `arguments` and `results` carry what people type to functions, and back.
"""

from ipvm.cli.entry import main, run

__all__ = ["main", "run"]
