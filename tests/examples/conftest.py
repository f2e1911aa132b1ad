"""A node for each test, the examples as a newcomer finds them, and what their compilers make."""

import functools
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import ipvm
from ipvm.store import Memory

BUILD = re.compile(r"^\$ (python -m ziglang .*)$", re.MULTILINE)
BUILD_SECONDS = 300
"""For all that an example builds: the first build for WASI in a session makes the C library, too."""


@pytest.fixture(scope="session")
def examples(root: Path) -> Path:
    return root / "examples"


@pytest.fixture
async def node() -> AsyncIterator[ipvm.Node]:
    async with ipvm.open(store=Memory()) as opened:
        yield opened


@pytest.fixture(scope="session")
def ziglang() -> str:
    """The version of the compiler for C and Zig."""
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("no compiler to build the examples with: pip install ziglang (413 MB)")
    return importlib.metadata.version("ziglang")


@pytest.fixture(scope="session")
def built(
    ziglang: str, examples: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Builds what an example's README says to build; gives the folder that all of it is in."""
    assert ziglang

    @functools.cache
    def build(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        (folder / "examples").symlink_to(examples)
        for line in BUILD.findall((examples / name / "README.md").read_text()):
            command = [sys.executable, *line.split()[1:]]
            subprocess.run(command, cwd=folder, check=True, timeout=BUILD_SECONDS)
        return folder

    return build
