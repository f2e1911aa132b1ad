"""The command as a process: its streams, its signals, and how soon it answers."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock

from ipvm.cli.activity import activity

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm, Keep, Make

IPVM = [sys.executable, "-m", "ipvm"]
PATIENCE_SECONDS = 5
MORE_THAN_A_PIPE_HOLDS = 1024 * 1024


def test_the_first_line_of_the_readme(command: "Ipvm", root: Path) -> None:
    poly = root / "examples" / "02-link" / "poly"
    ended = command("call", poly, "eval", "[1.0, 2.0, 3.0]", "2.0")
    assert (ended.code, ended.output) == (0, b"17.0\n")
    assert "poly" in ended.errors


def test_the_version_and_the_help_load_neither_the_engine_nor_the_scheduler() -> None:
    program = """
import sys
from ipvm.cli import run
run(sys.argv[1:])
print(sorted({"trio", "wasmtime", "lmdb", "rich", "msgspec", "ipvm.node"} & set(sys.modules)))
"""
    for word in ("--help", "--version"):
        done = subprocess.run(
            [sys.executable, "-c", program, word], capture_output=True, check=True
        )
        assert done.stdout.endswith(b"\n[]\n")


def test_a_call_loads_nothing_to_draw_with_and_looks_for_no_folders(math: str, store: Path) -> None:
    program = """
import sys
from ipvm.cli import run
code = run(sys.argv[1:])
print(code, sorted({"rich", "platformdirs", "multiformats"} & set(sys.modules)))
"""
    words = ["call", math, "add", "1", "2"]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, check=True)
    assert done.stdout == b"3\n0 []\n"
    assert store.exists()


def test_a_reader_that_goes_away_is_no_reason_to_complain(math: str, store: Path) -> None:
    assert not store.exists()
    with subprocess.Popen(
        [*IPVM, "graph", math, "--format", "svg"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read().decode()
        assert process.wait() == 1
    assert errors.splitlines()[1:] == []


def test_output_that_cannot_be_written_is_an_ordinary_failure(math: str, store: Path) -> None:
    assert not store.exists()
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*IPVM, "inspect", math], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert b"standard output cannot be written: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_interrupt_stops_a_function_that_runs(make: "Make", store: Path) -> None:
    assert not store.exists()
    text = """(module
      (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "spin") (drop (call $log (i32.const 0) (i32.const 0)))
        (loop $again (br $again))))"""
    with subprocess.Popen(
        [*IPVM, "call", make("spin", text), "spin"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith(b"["):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"Error: interrupted\n"
        assert process.wait() == 130


def test_an_interrupt_ends_waiting_for_standard_input(store: Path) -> None:
    assert not store.exists()
    with subprocess.Popen(
        [*IPVM, "block", "put"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(bytes(MORE_THAN_A_PIPE_HOLDS))  # returns when somebody reads it
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:  # it came just before a read, where Python misses it
            process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"Error: interrupted\n"
        assert process.wait() == 130


def on_terminal(words: list[str]) -> tuple[int, str]:
    """Run a command on a terminal; give its exit code and what appears."""
    master, slave = pty.openpty()
    with subprocess.Popen([*IPVM, *words], stdout=slave, stderr=slave) as process:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # which is how a terminal says that nobody writes
            while piece := os.read(master, 4096):
                shown += piece
        os.close(master)
    return process.returncode, shown.decode()


def test_text_of_a_function_is_escaped_on_a_terminal_and_nowhere_else(
    echo: str, ipvm: "Ipvm"
) -> None:
    words = ["call", echo, "string", '"a\\u001b[2J\\u0085b"']
    assert ipvm(*words).text == "a\x1b[2J\x85b\n"
    assert on_terminal([*words, "--quiet"]) == (0, "a\\x1b[2J\\x85b\r\n")
    assert on_terminal([*words, "--json"])[1].count("\\u0085") == 1


def test_failures_and_exit_codes_are_the_same_on_a_terminal(
    math: str, keep: "Keep", store: Path
) -> None:
    root = keep('(module (import "gone" "f" (func)))')
    assert store.exists()
    code, shown = on_terminal(["inspect", root])
    assert code == 8
    assert shown.startswith(root)
    code, shown = on_terminal(["call", math, "ad"])
    assert code == 4
    assert 'Error: no function "ad"' in shown
    assert "Traceback" not in shown


def test_a_command_works_where_nobody_can_read_what_it_has_to_say(math: str, ipvm: "Ipvm") -> None:
    cid = ipvm("publish", math).output
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*IPVM, "publish", math], stdout=subprocess.PIPE, stderr=full, check=False
        )
        assert (done.returncode, done.stdout) == (0, cid)
        failed = subprocess.run([*IPVM, "publish", "nowhere"], stderr=full, check=False)
        assert failed.returncode == 4


async def test_who_waits_for_more_than_a_moment_sees_what_is_going_on(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert autojump_clock.rate == 0
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("TERM", "xterm")
    async with activity("Working", shown=True):
        await trio.sleep(0.9)
    assert "Working" not in capsys.readouterr().err
    async with activity("Working", shown=True) as going_on:
        await trio.sleep(1.5)
        going_on.text = "Nearly"
        going_on.detail = lambda: " done"
        await trio.sleep(0.5)
        going_on.make_room()
        shown = capsys.readouterr().err
        assert "Nearly done" in shown
        assert shown.endswith("\x1b[2K")
        await trio.sleep(0.5)
    assert "Nearly done" in capsys.readouterr().err
    async with activity("Working", shown=False):
        await trio.sleep(10)
    assert capsys.readouterr().err == ""


SLOW = '(module {} (func (export "f")))'.format(
    "".join(
        "(func (param i32) "
        + "".join(
            f"(local.set 0 (i32.rotl (i32.mul (local.get 0) (i32.const {n})) (local.get 0)))"
            for n in range(150)
        )
        + ")"
        for _ in range(4000)
    )
)


@pytest.mark.slow
def test_who_waits_for_a_compiler_sees_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "slow.wat").write_text(SLOW)
    ours, theirs = pty.openpty()
    surroundings = {**os.environ, "TERM": "xterm", "IPVM_CACHE": str(tmp_path), "COLUMNS": "120"}
    command = [*IPVM, "call", str(tmp_path / "slow.wat"), "f"]
    with subprocess.Popen(command, stderr=theirs, env=surroundings) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal ends
            while part := os.read(ours, 4096):
                shown += part
        assert process.wait() == 0
    os.close(ours)
    assert b"Loading: 0 of 1 module compiled" in shown
