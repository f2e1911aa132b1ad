"""What belongs to this package is compiled once too; the self-test runs whatever comes of that."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from pathlib import Path
from ipvm.engine import ArtifactCache, engine_for, fixed, keep_fixed_modules, selftest, text_to_module
from ipvm.host import companion_for

compiled = []
compile_now = fixed.compile_now

def counted(engine, data):
    compiled.append(data)
    return compile_now(engine, data)

fixed.compile_now = counted
if sys.argv[1] == "false":
    # Machine code that is authentic and does not do what the test wants.
    selftest.text_to_module = lambda text: text_to_module(text.replace("unreachable", "i32.const 1"))
for folder in sys.argv[2:]:
    keep_fixed_modules(ArtifactCache(Path(folder), bytes_max=2**30))
if sys.argv[1] != "companions":
    selftest.require()
for profile in ("deterministic", "fast"):
    for name in ("kernel", "brief-kernel", "stub", "binding", "first-binding"):
        companion_for(engine_for(profile), name)
print(len(compiled))
"""
ALL = 11
"""The guest of the self-test, and five companions for each of two profiles."""


def compiled(*words: str | Path) -> int:
    """Tell how many modules a process compiles."""
    command = [sys.executable, "-c", PROGRAM, *map(str, words)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_a_second_process_compiles_none_of_them(tmp_path: Path) -> None:
    assert compiled("all", tmp_path) == ALL
    assert len(list(tmp_path.glob("*.cwasm"))) == ALL
    assert compiled("all", tmp_path) == 0


def test_a_process_that_is_told_of_no_cache_compiles_all(tmp_path: Path) -> None:
    assert compiled("all") == ALL
    assert list(tmp_path.iterdir()) == []


def test_who_says_first_where_they_are_kept_decides(tmp_path: Path) -> None:
    assert compiled("all", tmp_path / "first", tmp_path / "second") == ALL
    assert not (tmp_path / "second").exists()
    assert compiled("all", tmp_path / "first") == 0


def test_one_that_was_damaged_is_compiled_again(tmp_path: Path) -> None:
    assert compiled("all", tmp_path) == ALL
    for file in tmp_path.glob("*.cwasm"):
        contents = bytearray(file.read_bytes())
        contents[len(contents) // 2] ^= 1
        file.write_bytes(contents)
    assert compiled("all", tmp_path) == ALL
    assert compiled("all", tmp_path) == 0


def test_a_folder_that_is_of_no_use_is_none_for_them(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert compiled("all", tmp_path / "file") == ALL


def test_the_self_test_runs_the_machine_code_that_was_kept(tmp_path: Path) -> None:
    for way in ("false", "all"):  # the second finds what the first kept
        with pytest.raises(subprocess.CalledProcessError) as caught:
            compiled(way, tmp_path)
        assert "fails the test: a trap" in caught.value.stderr
    assert compiled("companions", tmp_path) == ALL - 1
