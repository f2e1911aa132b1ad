"""The commands, by name: each is imported when it is used, and described without that."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import click

from ipvm import __version__
from ipvm.cli.options import Group

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMMANDS", "COMPLETION_VARIABLE", "ipvm"]

COMPLETION_VARIABLE: Final = "_IPVM_COMPLETE"
"""Where a shell says what it wants to be completed."""

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "publish": "Publish functions and print their CIDs, one a line.",
        "call": "Call a function and print its result.",
        "run": "Run a WASI command over files and folders by CID, and keep what it writes.",
        "inspect": "Show what a function offers, what it needs, and whether it links.",
        "graph": "Draw the functions that a function is linked to.",
        "relink": "Swap dependencies of a function and print the CID of what comes of it.",
        "pack": "Write a function and all that it is linked to into one CAR file.",
        "add": "Add files and folders, and print their CIDs.",
        "cat": "Write files, or a part of them, to standard output.",
        "ls": "List a folder.",
        "get": "Write a file or a folder to the disk.",
        "stat": "Tell what is at a path, how large it is, and when it was changed.",
        "block": "Read and write blocks.",
        "dag": "Read and write IPLD values.",
        "pin": "Say what is to stay in the store.",
        "gc": "Delete the blocks that nothing pins.",
        "store": "Look after the store, where the blocks of this machine are kept.",
        "serve": "Serve the store over HTTP and to peers, and run functions for who has the token.",
        "peer": "Look at peers, which blocks are exchanged with over Bitswap.",
        "doctor": "Tell what is installed, and test the engine and the store.",
        "completion": "Print a script that lets a shell complete commands, options and paths.",
    }
)
"""What each command does, in the order of the help. Its module has the name of the command."""


class LazyGroup(Group):
    """A group whose commands are modules that are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """Name the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"ipvm.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the words begin with, or suggest one that is spelled alike."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            import difflib  # noqa: PLC0415 - for those who mistype

            near = difflib.get_close_matches(name[:80], COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}."
            ctx.fail(f"No such command {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write what the commands do."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        """Complete names of commands, and the options before them."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - for shells alone

        commands = [
            CompletionItem(name, help=summary)
            for name, summary in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)


@click.group("ipvm", cls=LazyGroup, context_settings={"help_option_names": ["--help", "-h"]})
@click.version_option(__version__, prog_name="ipvm", message="%(prog)s %(version)s")
def ipvm() -> None:
    """Run WebAssembly functions that are found by their content.

    Publish a function from its source, and call it by its CID:
      $ poly=$(ipvm publish examples/02-link/poly)
      $ ipvm call $poly eval '[1.0, 2.0, 3.0]' 2.0
      17.0

    TARGET, below, is a CID, ipfs://CID, or a path, which is published first.
    """
