"""`ipvm completion`, and what the shells ask for with it."""

import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_prints_a_script_that_the_shell_reads(ipvm: "Ipvm", shell: str) -> None:
    ended = ipvm("completion", shell)
    assert ended.code == 0
    assert "_IPVM_COMPLETE" in ended.text
    program = shutil.which(shell)
    if program:
        subprocess.run([program, "-n"], input=ended.output, check=True)


def test_the_record_of_a_script(ipvm: "Ipvm", is_documented: Callable[[object], bool]) -> None:
    record = ipvm("completion", "zsh", "--json").record
    assert is_documented(record)
    assert record["shell"] == "zsh"


def test_an_unknown_shell_is_a_mistake_of_usage(ipvm: "Ipvm") -> None:
    ended = ipvm("completion", "csh")
    assert (ended.code, ended.text) == (2, "")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ipvm c", {"call", "cat", "completion"}),
        ("ipvm --st", {"--store"}),
        ("ipvm block ", {"get", "put", "rm", "stat"}),
        ("ipvm call --fu", {"--fuel"}),
        ("ipvm se", {"serve"}),
        ("ipvm serve --log j", {"json"}),
        ("ipvm graph --format d", {"dot"}),
        ("ipvm call --recipt t f --ti", {"--timeout"}),
    ],
)
def test_words_are_completed(
    command: "Ipvm", monkeypatch: pytest.MonkeyPatch, line: str, offered: set[str]
) -> None:
    monkeypatch.setenv("_IPVM_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    ended = command()
    assert {each.partition(",")[2] for each in ended.text.splitlines()} == offered
