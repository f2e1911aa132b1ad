"""Sentences about the tree itself: what holds for every file, whoever writes the next one."""

import subprocess
import sys
from pathlib import Path

import ipvm

PACKAGE = Path(ipvm.__file__).parent
LINES_MAX = 300


def test_every_file_of_the_package_fits_in_three_hundred_lines() -> None:
    lengths = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text().splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > LINES_MAX} == {}


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_importing_the_package_loads_neither_the_scheduler_nor_the_engine() -> None:
    program = "import sys, ipvm; print({'trio', 'wasmtime', 'lmdb', 'click'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "set()"


def test_the_changelog_tells_of_this_version(root: Path) -> None:
    assert f"## [{ipvm.__version__}]" in (root / "CHANGELOG.md").read_text()
