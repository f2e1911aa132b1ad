"""The options that every command takes, before its name or after it.

They stand in one table. A command of the class `Command` and a group of the class `Group` read them
besides their own, and whoever reads one writes it down in the `Settings` of the command line.
"""

import re
from collections.abc import Callable, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Final

import click

from ipvm.cli.settings import Settings

__all__ = ["SHARED_OPTIONS", "Command", "Group", "Settings", "current_settings"]


def current_settings() -> Settings:
    """Give what the command line said."""
    return _settings(click.get_current_context())


def _settings(context: click.Context) -> Settings:
    return context.ensure_object(Settings)


def _remember_store(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        _settings(context).store = Path(value)


def _remember_sources(
    context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> None:
    _settings(context).sources += [Path(value) for value in values]


def _remember_gateways(
    context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> None:
    _settings(context).gateways += values


def _remember_peers(
    context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> None:
    _settings(context).peers += values


def _remember_kubo(context: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is not None:
        _settings(context).kubo = value


def _remember_limits(
    context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> None:
    for value in values:
        name, number = _limit(value)
        _settings(context).limits[name] = number


def _limit(text: str) -> tuple[str, int]:
    from dataclasses import fields  # noqa: PLC0415 - only who sets a limit pays for the import

    from ipvm.limits import Limits  # noqa: PLC0415

    name, _, number = text.partition("=")
    known = sorted(field.name for field in fields(Limits))
    if name not in known:
        raise click.BadParameter(f"there is no limit {name!r}; there are {', '.join(known)}")
    if not (number.isascii() and number.isdecimal() and len(number) <= _DIGITS_MAX and int(number)):
        raise click.BadParameter(f"{name} is a whole number from 1, as in {name}=1000")
    return name, int(number)


def _remember_switch(name: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def remember(context: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it so
        if value:
            setattr(_settings(context), name, True)

    return remember


_EXAMPLE: Final = re.compile(r"(?m)^(?=\S.*:\n  \$ )")
_DIGITS_MAX: Final = 18

SHARED_OPTIONS: Final[tuple[click.Parameter, ...]] = (
    click.Option(
        ["--store"],
        metavar="FOLDER",
        type=click.Path(file_okay=False),
        expose_value=False,
        callback=_remember_store,
        help="Keep blocks here, instead of in IPVM_STORE or the data folder of this user.",
    ),
    click.Option(
        ["--from"],
        metavar="FOLDER",
        type=click.Path(exists=True, file_okay=False),
        multiple=True,
        expose_value=False,
        callback=_remember_sources,
        help="Take blocks that are missing from this other store. May be repeated.",
    ),
    click.Option(
        ["--peer"],
        metavar="ADDRESS",
        multiple=True,
        expose_value=False,
        callback=_remember_peers,
        help="Take blocks that are missing from this peer, over Bitswap. May be repeated.",
    ),
    click.Option(
        ["--dht"],
        is_flag=True,
        expose_value=False,
        callback=_remember_switch("dht"),
        help="Find peers for blocks that nobody named here has, by asking the peers that are.",
    ),
    click.Option(
        ["--mdns"],
        is_flag=True,
        expose_value=False,
        callback=_remember_switch("mdns"),
        help="Take blocks that are missing from peers on the local network, too.",
    ),
    click.Option(
        ["--gateway"],
        metavar="URL",
        multiple=True,
        expose_value=False,
        callback=_remember_gateways,
        help="Take blocks that are missing from this IPFS gateway. May be repeated.",
    ),
    click.Option(
        ["--kubo"],
        metavar="URL",
        expose_value=False,
        callback=_remember_kubo,
        help="Take blocks that are missing from the Kubo with this RPC; auto is the one that runs here.",
    ),
    click.Option(
        ["--kubo-search"],
        is_flag=True,
        expose_value=False,
        callback=_remember_switch("kubo_search"),
        help="Let that Kubo look for them among its peers, too.",
    ),
    click.Option(
        ["--offline"],
        is_flag=True,
        expose_value=False,
        callback=_remember_switch("offline"),
        help="Use the blocks of the store only.",
    ),
    click.Option(
        ["--trace"],
        is_flag=True,
        expose_value=False,
        callback=_remember_switch("trace"),
        help="Tell which source sent which block, and how fast.",
    ),
    click.Option(
        ["--no-cache"],
        is_flag=True,
        expose_value=False,
        callback=_remember_switch("no_cache"),
        help="Compile anew, and keep no machine code for later.",
    ),
    click.Option(
        ["--limit"],
        metavar="NAME=VALUE",
        multiple=True,
        expose_value=False,
        callback=_remember_limits,
        help="Move a bound that protects this machine. May be repeated.",
    ),
    click.Option(
        ["--quiet"],
        is_flag=True,
        expose_value=False,
        callback=_remember_switch("quiet"),
        help="Say nothing on standard error but what went wrong.",
    ),
    click.Option(
        ["--json"],
        is_flag=True,
        expose_value=False,
        callback=_remember_switch("as_json"),
        help="Write one JSON object, and failures as another on standard error.",
    ),
)


def _write_options(
    command: click.Command, context: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write the options of a command, and apart from them those that all commands take."""
    own = [option for option in command.get_params(context) if option not in SHARED_OPTIONS]
    _write_section("Options", own, context, formatter)
    if isinstance(command, Group):
        command.format_commands(context, formatter)
    _write_section("Options of every command", SHARED_OPTIONS, context, formatter)


def _write_section(
    heading: str,
    options: Sequence[click.Parameter],
    context: click.Context,
    formatter: click.HelpFormatter,
) -> None:
    records = (option.get_help_record(context) for option in options)
    with formatter.section(heading):
        formatter.write_dl([record for record in records if record is not None])


def _write_description(command: click.Command, formatter: click.HelpFormatter) -> None:
    """Write what a command does. A paragraph with a prompt in it is an example, left as it is."""
    text = _EXAMPLE.sub("\b\n", cleandoc(command.help or ""))
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(text)


class Command(click.Command):
    """A command that takes the shared options too."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own parameters, the shared ones, and `--help`."""
        own = super().get_params(ctx)
        return [*own[:-1], *SHARED_OPTIONS, own[-1]]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as click calls it
        """Write what it does."""
        _write_description(self, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of all of them."""
        _write_options(self, ctx, formatter)


class Group(click.Group):
    """A group that takes the shared options before the name of its command."""

    command_class: type[click.Command] | None = Command

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own parameters, the shared ones, and `--help`."""
        own = super().get_params(ctx)
        return [*own[:-1], *SHARED_OPTIONS, own[-1]]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as click calls it
        """Write what it does."""
        _write_description(self, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of all of them, and of the commands."""
        _write_options(self, ctx, formatter)
