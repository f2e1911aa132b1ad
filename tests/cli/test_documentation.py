"""What `docs/cli.md` and `--help` say, and that they say all of it."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import pytest

from ipvm.cli.group import COMMANDS, ipvm as group

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its name, those of groups too."""
    ahead: list[tuple[str, click.Command]] = [("ipvm", group)]
    while ahead:
        name, each = ahead.pop()
        yield name, each
        if isinstance(each, click.Group):
            context = click.Context(each)
            for below in each.list_commands(context):
                command = each.get_command(context, below)
                assert command is not None
                ahead.append((f"{name} {below}", command))


ALL = dict(commands())
LEAVES = {name: each for name, each in ALL.items() if not isinstance(each, click.Group)}


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_is_documented_with_its_options(name: str, page: str) -> None:
    sections = re.split(r"^#+ ", page, flags=re.MULTILINE)
    (section,) = [each for each in sections if each.startswith((f"`{name} ", f"`{name}`"))]
    command = LEAVES[name]
    own = [each for each in command.params if isinstance(each, click.Option)]
    for option in (spelling for each in own for spelling in each.opts):
        assert f"`{option}" in section
    for argument in command.params:
        if isinstance(argument, click.Argument):
            assert argument.make_metavar(click.Context(command)).strip("[].") in section


def test_every_option_of_every_command_is_documented(page: str) -> None:
    for option in group.get_params(click.Context(group)):
        assert f"`{option.opts[0]}" in page


@pytest.mark.parametrize("name", LEAVES)
def test_every_help_has_an_example(name: str) -> None:
    command = LEAVES[name]
    shown = command.get_help(click.Context(command, info_name=name))
    assert re.search(rf"^    \$ .*{name}\b", shown, re.MULTILINE), shown


@pytest.mark.parametrize("name", COMMANDS)
def test_the_group_and_the_command_say_the_same(name: str) -> None:
    described = " ".join((ALL[f"ipvm {name}"].help or "").split())
    assert described.startswith(COMMANDS[name])


@pytest.mark.parametrize("name", ALL)
def test_help_is_printed_and_fits_a_terminal(name: str, ipvm: "Ipvm") -> None:
    ended = ipvm(*name.split()[1:], "--help")
    assert (ended.code, ended.errors) == (0, "")
    assert "Options of every command:" in ended.text
    assert max(map(len, ended.text.splitlines())) <= 80


def test_the_exit_codes_are_documented(page: str) -> None:
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 70, 130):
        assert re.search(rf"^\| {code} \|", page, re.MULTILINE)
