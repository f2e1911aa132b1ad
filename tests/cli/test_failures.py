"""Why a command failed, in words, in JSON, and by its exit code."""

import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click
import pytest

from ipvm import errors
from ipvm.cli.failures import report
from ipvm.cli.terminal import escaped, indented, json_escaped, plural, short

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm


def conditions() -> Iterator[type[errors.IpvmError]]:
    """Every class of condition that does not say itself how it is made."""
    ahead = [errors.IpvmError]
    while ahead:
        each = ahead.pop()
        ahead.extend(each.__subclasses__())
        if each.__init__ is Exception.__init__:
            yield each


@pytest.mark.parametrize("condition", sorted(conditions(), key=repr))
def test_a_condition_ends_with_its_exit_code_and_no_traceback(
    condition: type[errors.IpvmError], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(condition("it is so"), as_json=False) == condition.exit_code
    assert capsys.readouterr().err.startswith("Error: it is so\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (click.UsageError("no"), 2),
        (SystemExit(3), 3),
        (BrokenPipeError(), 1),
        (RuntimeError("ours"), 70),
        (errors.LinkError("a link"), 8),
        (ExceptionGroup("", [ExceptionGroup("", [errors.LinkError("a link")])]), 8),
        (ExceptionGroup("", [errors.LinkError("a link"), RuntimeError("ours")]), 70),
        (BaseExceptionGroup("", [RuntimeError("ours"), KeyboardInterrupt()]), 130),
        (ExceptionGroup("", [errors.NotFound("a"), errors.LinkError("b")]), 3),
    ],
)
def test_what_ended_a_command_decides_the_exit_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    keeps_output = isinstance(error, BrokenPipeError)
    saved = os.dup(1) if keeps_output else -1
    assert report(error, as_json=False) == code
    if keeps_output:
        os.dup2(saved, 1)
        os.close(saved)
    assert ("This is a bug" in capsys.readouterr().err) is (code == 70)


def broken() -> None:
    raise RuntimeError("\x1b[2Jours")


def test_a_bug_asks_to_be_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError) as raised:
        broken()
    report(raised.value, as_json=False)
    shown = capsys.readouterr().err
    assert "test_failures.py" in shown
    assert "Please report it" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    "words",
    [
        ["call", "{}", "add", "1"],
        ["call", "{}", "trap"],
        ["call", "{}", "spin", "--fuel", "10"],
        ["inspect", "{}", "--limit", "x"],
        ["graph", "nowhere"],
    ],
)
def test_a_failure_under_json_is_one_line_on_standard_error(
    ipvm: "Ipvm", math: str, words: list[str], is_documented: Callable[[object], bool]
) -> None:
    ended = ipvm(*[math if word == "{}" else word for word in words], "--json")
    assert ended.output == b""
    assert len(ended.errors.splitlines()) == 1
    assert is_documented(ended.error)
    assert ended.error["exit"] == ended.code


def test_a_bug_under_json_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(RuntimeError("ours"), as_json=True) == 70
    (line,) = capsys.readouterr().err.splitlines()
    assert '"error": "Bug"' in line
    assert '"traceback": "RuntimeError: ours\\n"' in line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode 漢", "plain, ünïcode 漢"),
        ("two\n\tlines", "two\n\tlines"),
        ("\x1b[2J\r\x00\x7f\x9b", r"\x1b[2J\r\x00\x7f\x9b"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("\udc80", r"\udc80"),
    ],
)
def test_what_does_not_print_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_json_means_the_same_when_it_is_escaped() -> None:
    text = json.dumps("a\x7f\u202e\U000e0001b", ensure_ascii=False)
    assert json_escaped(text) == '"a\\u007f\\u202e\\udb40\\udc01b"'
    assert json.loads(json_escaped(text)) == json.loads(text)
    assert json_escaped("[1]") == "[1]"


def test_words_for_people() -> None:
    assert indented("a\nb") == "a\n  b"
    assert short("b" + "a" * 58) == "baaaaaaa…aaaaaa"
    assert [plural(number, "byte") for number in (0, 1, 1234)] == [
        "0 bytes",
        "1 byte",
        "1,234 bytes",
    ]
