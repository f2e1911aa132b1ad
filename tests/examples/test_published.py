"""Example 09: a module that somebody else published, run by its CID."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import ipvm

SOURCE = "package main\nfunc  main( ){\nprintln( 1+2 )}\n"
FORMATTED = "package main\n\nfunc main() {\n\tprintln(1 + 2)\n}\n"
PACKAGE = "@wasm-fmt/gofmt@0.7.3"
TIMEOUT_SECONDS = 60
SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FETCHING = ("$ npm ", "$ tar ")

pytestmark = pytest.mark.network


@pytest.fixture(scope="session")
def gofmt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module, fetched from the package registry."""
    if shutil.which("npm") is None:
        pytest.skip(f"there is no npm to fetch {PACKAGE} with")
    folder = tmp_path_factory.mktemp("gofmt")
    options = ["--cache", str(folder / "cache"), "--fetch-retries=0", "--fetch-timeout=20000"]
    try:
        done = subprocess.run(
            ["npm", "pack", PACKAGE, *options],  # noqa: S607 - npm is wherever it is installed
            cwd=folder,
            capture_output=True,
            check=False,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not bring {PACKAGE} within {TIMEOUT_SECONDS} s")
    if done.returncode != 0:
        pytest.skip(f"npm did not bring {PACKAGE}: {done.stderr[-500:]}")
    module = folder / "gofmt.wasm"
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        member = archive.extractfile("package/gofmt.wasm")
        assert member is not None
        module.write_bytes(member.read())
    return module


@pytest.fixture
async def formatter(node: ipvm.Node, examples: Path, gofmt: Path) -> ipvm.Program:
    """The adapter, which names the module by its CID."""
    await node.publish(gofmt)
    return await node.load(examples / "09-published" / "gofmt")


async def test_the_module_runs_by_its_cid(node: ipvm.Node, gofmt: Path) -> None:
    program = await node.load(await node.publish(gofmt))
    assert await program.output_len() == 0


async def test_the_adapter_gives_it_a_typed_function(formatter: ipvm.Program) -> None:
    assert await formatter.format(SOURCE) == FORMATTED
    assert await formatter.format(FORMATTED) == FORMATTED


async def test_a_long_text_goes_through_too(formatter: ipvm.Program) -> None:
    lines = 10_000
    source = "package main\n" + "var  x =1\n" * lines
    assert await formatter.format(source) == "package main\n\n" + "var x = 1\n" * lines


async def test_what_is_no_program_is_refused_in_the_words_of_the_formatter(
    formatter: ipvm.Program,
) -> None:
    with pytest.raises(ipvm.GuestError, match="expected type") as caught:
        await formatter.format("func ((")
    assert caught.value.code == 2


async def test_the_same_text_gives_the_same_receipt(formatter: ipvm.Program) -> None:
    first, second = [await formatter.format.receipt(SOURCE) for _ in range(2)]
    assert first.cid == second.cid


async def test_without_the_module_the_message_has_its_cid(node: ipvm.Node, examples: Path) -> None:
    cid = await node.publish(examples / "09-published" / "gofmt")
    with pytest.raises(ipvm.NotFound, match="bafkreibe3ixbw5wa5vpe4nssvkzfkjo5zyx23fmfhjizwhtxkd"):
        await node.load(cid)


def test_the_session_of_the_readme_prints_what_it_says(
    examples: Path, gofmt: Path, tmp_path: Path
) -> None:
    (tmp_path / "examples").symlink_to(examples)
    (tmp_path / "package").mkdir()
    shutil.copy(gofmt, tmp_path / "package")
    shown = "".join(SESSION.findall((examples / "09-published" / "README.md").read_text()))
    lines = [line for line in shown.splitlines() if not line.startswith(FETCHING)]
    script = "\n".join(line[2:] for line in lines if line.startswith("$ "))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607 - bash is wherever it is installed
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "IPVM_STORE": str(tmp_path / "store")},
        capture_output=True,
        check=False,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [line for line in lines if not line.startswith("$ ")]
