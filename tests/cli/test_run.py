"""`ipvm run`: a WASI command from the shell, with its streams and its exit code."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm

CALLS: Final = {
    "args_sizes_get": "i32 i32",
    "args_get": "i32 i32",
    "fd_read": "i32 i32 i32 i32",
    "fd_write": "i32 i32 i32 i32",
    "path_open": "i32 i32 i32 i32 i32 i64 i64 i32 i32",
}
IMPORTS: Final = "".join(
    f'(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {types}) (result i32)))'
    for name, types in CALLS.items()
)
ECHO: Final = f"""(module {IMPORTS}
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 2) (data (i32.const 32) "made")
  (func $write (param $to i32) (param $at i32) (param $size i32)
    (i32.store (i32.const 8) (local.get $at)) (i32.store (i32.const 12) (local.get $size))
    (drop (call $fd_write (local.get $to) (i32.const 8) (i32.const 1) (i32.const 16))))
  (func (export "_start")
    ;; The arguments, each with a zero behind it, to standard output and to a file.
    (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
    (drop (call $args_get (i32.const 1024) (i32.const 8192)))
    (call $write (i32.const 1) (i32.const 8192) (i32.load (i32.const 4)))
    (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 4) (i32.const 1)
      (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 20)))
    (call $write (i32.load (i32.const 20)) (i32.const 8192) (i32.load (i32.const 4)))
    ;; Standard input to standard error.
    (i32.store (i32.const 8) (i32.const 65536)) (i32.store (i32.const 12) (i32.const 65536))
    (drop (call $fd_read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 16)))
    (call $write (i32.const 2) (i32.const 65536) (i32.load (i32.const 16)))
    (call $proc_exit (i32.load (i32.const 0)))))"""
BABBLE: Final = f"""(module {IMPORTS}
  (memory (export "memory") 1) (data (i32.const 0) "\\10\\00\\00\\00\\04\\00\\00\\00")
  (data (i32.const 16) "\\1b[1m")
  (func (export "_start")
    (loop $on (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
      (br $on))))"""

MUTTER: Final = f"""(module {IMPORTS}
  (memory (export "memory") 1) (data (i32.const 0) "\\10\\00\\00\\00\\08\\00\\00\\00")
  (data (i32.const 16) "mid-line")
  (func (export "_start")
    (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 32)))
    (unreachable)))"""


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    """Writes its arguments, copies its input to standard error, and exits with their number."""
    path = tmp_path / "echo.wat"
    path.write_text(ECHO)
    return path


@pytest.fixture
def babble(tmp_path: Path) -> Path:
    """Writes without end."""
    path = tmp_path / "babble.wat"
    path.write_text(BABBLE)
    return path


def test_its_streams_and_its_exit_code_are_passed_on(ipvm: "Ipvm", echo: Path) -> None:
    ended = ipvm("run", "--stdin", "-", echo, "--json", "-x", given=b"given\n")
    assert (ended.code, ended.output) == (3, b"main\0--json\0-x\0")
    published, said, record, outputs = ended.errors.splitlines()
    assert published.endswith("echo.wat")
    assert said == "given"
    assert record.startswith("record bafyrei")
    cid, path = outputs.split()
    assert path == "/outputs"
    assert ipvm("cat", f"{cid}/made").output == b"main\0--json\0-x\0"


def test_what_is_told_behind_it_begins_a_line(ipvm: "Ipvm", echo: Path, tmp_path: Path) -> None:
    ended = ipvm("run", "--stdin", "-", echo, given=b"mid-line")
    assert ended.errors.splitlines()[1] == "mid-line"
    mutter = tmp_path / "mutter.wat"
    mutter.write_text(MUTTER)
    ended = ipvm("run", mutter)
    said, record, error, *_ = ended.errors.splitlines()[1:]
    assert (said, record.split(", ")[1]) == ("mid-line", "fuel not known")
    assert error.startswith("Error: the function ended by trap")
    assert ipvm("run", "--quiet", mutter).errors.splitlines()[0] == "mid-line"
    assert ipvm("run", "--json", mutter).error["kind"] == "trap"
    quiet = ipvm("run", "--quiet", "--stdin", "-", echo, given=b"mid-line")
    assert quiet.errors == "mid-line"


def test_the_object_of_json_has_the_cids(ipvm: "Ipvm", echo: Path) -> None:
    record = ipvm("run", "--json", "--stdin", echo, echo, "a").record
    assert record["$type"] == "ipvm/run/1"
    assert record["exit"] == 2
    assert ipvm("cat", record["stdout"]).output == b"main\0a\0"
    assert ipvm("cat", record["stderr"]).output == echo.read_bytes()
    assert ipvm("cat", record["outputs"]["/outputs"] + "/made").output == b"main\0a\0"
    again = ipvm("run", "--json", "--stdin", echo, echo, "a").record
    assert again["record"] == record["record"]
    receipt = ipvm("dag", "get", record["record"]).text
    assert record["invocation"] in receipt


def test_what_is_added_on_the_way_is_told(ipvm: "Ipvm", echo: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f").write_text("F")
    cid = ipvm("add", "-Q", tmp_path / "in").line
    ended = ipvm("run", "--input", tmp_path / "in", "--mount", f"{tmp_path}/in/f:/x/f", echo)
    assert any(line.startswith(f"{cid}  ") for line in ended.errors.splitlines())
    assert len(ended.errors.splitlines()) == 4


def test_quiet_leaves_what_the_command_says(ipvm: "Ipvm", echo: Path) -> None:
    ended = ipvm("run", "--quiet", "--stdin", echo, echo)
    assert (ended.output, ended.errors) == (b"main\0", ECHO)


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["--mount", "nothing"], 2, "CONTENT:PATH"),
        (["--mount", ":/a"], 2, "CONTENT:PATH"),
        (["--env", "A"], 2, "NAME=VALUE"),
        (["--env", "=A"], 2, "NAME=VALUE"),
        (["--unknown"], 2, "No such option"),
        (["--mount", "/no/such:/a"], 4, "neither a file or folder here, nor a CID"),
        (
            ["--mount", "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e:/a/b"],
            3,
            "bafk",
        ),
        (["--workdir", "/nowhere"], 4, "no folder /nowhere"),
        (["--output", "a/../b"], 4, "not a path"),
        (["--fuel", "5"], 5, "--fuel"),
        (["--limit", "made_bytes_max=5"], 6, "made_bytes_max"),
    ],
)
def test_what_cannot_be_run_says_why(
    ipvm: "Ipvm", echo: Path, words: list[str], code: int, why: str
) -> None:
    ended = ipvm("run", *words, echo)
    assert (ended.code, why in ended.errors) == (code, True), ended.errors


def test_what_is_no_command_is_refused(ipvm: "Ipvm", tmp_path: Path) -> None:
    (tmp_path / "f.wat").write_text('(module (func (export "f")))')
    ended = ipvm("run", tmp_path / "f.wat")
    assert (ended.code, "is no command" in ended.errors) == (4, True)


def test_a_command_that_traps_has_a_record(ipvm: "Ipvm", tmp_path: Path) -> None:
    (tmp_path / "f.wat").write_text('(module (func (export "_start") unreachable))')
    ended = ipvm("run", tmp_path / "f.wat", "--json")
    assert ended.code == 5
    ended = ipvm("run", "--json", tmp_path / "f.wat")
    assert (ended.code, ended.error["kind"], ended.record["error"]["kind"]) == (5, "trap", "trap")


def test_a_time_limit_ends_it(ipvm: "Ipvm", babble: Path) -> None:
    ended = ipvm("run", "--timeout", "0.3", "--json", babble)
    assert (ended.code, ended.error["limit"]) == (6, "timeout_seconds")


def test_it_ends_when_nobody_reads_any_more(babble: Path) -> None:
    command = [sys.executable, "-m", "ipvm", "run", str(babble)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.read(8) == b"\x1b[1m\x1b[1m"
        running.stdout.close()
        errors = running.stderr.read()
        assert running.wait(60) == 1
    assert b"Error" not in errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_what_is_interrupted_or_killed_leaves_nothing_half_written(
    ipvm: "Ipvm", babble: Path, number: signal.Signals, code: int
) -> None:
    before = ipvm("pin", "ls").output
    command = [sys.executable, "-m", "ipvm", "run", "--no-pin", str(babble)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(8)
        running.send_signal(number)
        while running.stdout.read(1 << 20):
            pass
        errors = running.stderr.read()
        assert running.wait(60) == code
    assert b"Traceback" not in errors
    assert ipvm("pin", "ls").text.count("\n") == before.count(b"\n") + 1  # the function
    assert ipvm("doctor").code == 0
