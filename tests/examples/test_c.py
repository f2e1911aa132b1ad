"""Example 08: a function in C, linked with one in WAT."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ipvm
from ipvm.host.calls import HOST_CALLS
from ipvm.host.error_number import ErrorNumber

DECLARATION = re.compile(r'^IPVM_IMPORT\("(\w+)", "(\w+)"\)\n\w+ (\w+)\(([^)]*)\);', re.MULTILINE)
NUMBER = re.compile(r"^  IPVM_(\w+) = (\d+),$", re.MULTILINE)
BUILD = re.compile(r"^\$ (python -m ziglang cc .*)$", re.MULTILINE)
TIMEOUT_SECONDS = 120

SLUGS = [
    ("Hello, World!", "hello-world"),
    ("", ""),
    ("  --!  ", ""),
    ("Room 101: the best", "room-101-the-best"),
    ("Zoë", "zo"),
    ("a" * 4096, "a" * 4096),
]


@pytest.fixture
async def program(node: ipvm.Node, examples: Path) -> ipvm.Program:
    return await node.load(examples / "08-c" / "slug")


@pytest.mark.parametrize(("title", "slug"), SLUGS)
async def test_a_title_becomes_a_part_of_an_address(
    program: ipvm.Program, title: str, slug: str
) -> None:
    assert await program.slug(title) == slug


@pytest.mark.parametrize(
    ("title", "code", "message"),
    [(None, 1, "there is no title"), ("a" * 4097, 2, "more than 4096 bytes")],
)
async def test_what_is_no_title_is_refused(
    program: ipvm.Program, title: object, code: int, message: str
) -> None:
    with pytest.raises(ipvm.GuestError, match=message) as caught:
        await program.slug(title)
    assert caught.value.code == code


async def test_a_trace_leads_into_the_function_in_c(program: ipvm.Program) -> None:
    with pytest.raises(ipvm.GuestError) as caught:
        await program.slug(None)
    assert str(program.cid) in caught.value.frames[0].linked_as


@pytest.fixture
def rebuilt(ziglang: str, examples: Path, tmp_path: Path) -> Path:
    """A copy of the example, built by the line of its README."""
    assert ziglang
    folder = tmp_path / "08-c"
    shutil.copytree(examples / "08-c", folder)
    (folder / "slug" / "slug.wasm").unlink()
    (line,) = BUILD.findall((folder / "README.md").read_text())
    subprocess.run(
        [sys.executable, *line.split()[1:]],
        cwd=folder / "slug",
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    return folder


async def test_the_source_makes_the_same_function(node: ipvm.Node, rebuilt: Path) -> None:
    program = await node.load(rebuilt / "slug")
    assert [await program.slug(title) for title, _ in SLUGS] == [slug for _, slug in SLUGS]


def test_the_same_compiler_makes_the_same_bytes(
    rebuilt: Path, ziglang: str, examples: Path
) -> None:
    if f"ziglang {ziglang} " not in (examples / "08-c" / "README.md").read_text():
        pytest.skip(f"ziglang {ziglang} is not the one that the README names")
    ours, theirs = (folder / "slug" / "slug.wasm" for folder in (examples / "08-c", rebuilt))
    assert ours.read_bytes() == theirs.read_bytes()


def test_the_header_declares_every_host_call(examples: Path) -> None:
    header = (examples / "08-c" / "ipvm.h").read_text()
    declared = {
        (module, name): [_parameter(each) for each in parameters.split(",")]
        for module, name, c_name, parameters in DECLARATION.findall(header)
        if c_name == f"{module}_{name}"
    }
    assert declared == {
        (call.module, call.name): [(each.name, each.type) for each in call.parameters]
        for call in HOST_CALLS
    }


def _parameter(declaration: str) -> tuple[str, str]:
    kind, _, name = declaration.strip().rpartition(" ")
    wide = "uint64_t" in kind and not name.startswith("*")
    return name.lstrip("*"), "i64" if wide else "i32"


def test_the_header_names_every_error_number(examples: Path) -> None:
    header = (examples / "08-c" / "ipvm.h").read_text()
    assert {name: int(number) for name, number in NUMBER.findall(header)} == {
        error.name: int(error) for error in ErrorNumber
    }
