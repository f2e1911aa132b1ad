"""`ipvm completion`: let a shell complete command lines."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from ipvm.cli.group import COMPLETION_VARIABLE
from ipvm.cli.options import Command, current_settings
from ipvm.cli.output import Output

__all__ = ["completion"]

_SHELLS: Final = ("bash", "zsh", "fish")


@click.command("completion", cls=Command)
@click.argument("shell", metavar="SHELL", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that lets a shell complete commands, options and paths.

    SHELL is bash, zsh or fish.

    Complete in this shell, and write it to ~/.bashrc to complete in every one:
      $ eval "$(ipvm completion bash)"
    """
    found = get_completion_class(shell)
    assert found is not None
    script = found(context.find_root().command, {}, "ipvm", COMPLETION_VARIABLE).source()
    output = Output(current_settings())
    if output.as_json:
        output.record("completion", {"shell": shell, "script": script})
    else:
        output.text(script)
