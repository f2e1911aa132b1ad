"""Run command lines in this process and in others, on stores and functions of their own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ipvm.cli import run
from ipvm.engine import text_to_module

EXAMPLE = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT_SECONDS = 60

MATH = """(module
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "halve") (param f64) (result f64) (f64.div (local.get 0) (f64.const 2)))
  (func (export "divide") (param f64 f64) (result f64) (f64.div (local.get 0) (local.get 1)))
  (func (export "nothing"))
  (func (export "both") (param f64 f64) (result f64 f64) (local.get 0) (local.get 1))
  (func (export "trap") unreachable)
  (func (export "spin") (loop $again (br $again))))"""

ECHO = """(module
  (memory (export "memory") 1)
  (func (export "bytes") (param i32) (result i32) (local.get 0))
  (func (export "string") (param i32) (result i32) (local.get 0))
  (func (export "link") (param i32) (result i32) (local.get 0))
  (func (export "ipld") (param i32) (result i32) (local.get 0))
  (func (export "bool") (param i32) (result i32) (local.get 0)))"""
ECHO_DESCRIPTION = "".join(
    f'[exports.{name}]\nparams = ["{name}"]\nresults = ["{name}"]\ndoc = "Give it back."\n'
    for name in ("bytes", "string", "link", "ipld", "bool")
)


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    code: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        return self.output.decode()

    @property
    def line(self) -> str:
        """The only line of standard output."""
        (line,) = self.text.splitlines()
        return line

    @property
    def record(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        record = json.loads(self.line)
        assert isinstance(record, dict)
        return record

    @property
    def error(self) -> dict[str, Any]:
        """The JSON object on the last line of standard error."""
        error = json.loads(self.errors.splitlines()[-1])
        assert isinstance(error, dict)
        return error


Ipvm = Callable[..., Ended]
Keep = Callable[..., str]
Make = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of one test."""
    monkeypatch.setenv("IPVM_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def ipvm(store: Path) -> Ipvm:
    """Run a command line in this process."""
    assert not store.exists()

    def ipvm(*words: object, given: bytes = b"") -> Ended:
        with CliRunner().isolation(input=given) as (output, errors, _):
            code = run([str(word) for word in words])
            return Ended(code, output.getvalue(), errors.getvalue().decode())

    return ipvm


@pytest.fixture
def command(store: Path) -> Ipvm:
    """Run a command line in a process of its own."""

    def command(*words: object, given: bytes = b"") -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "ipvm", *map(str, words)],
            input=given,
            capture_output=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
            env=os.environ | {"IPVM_STORE": str(store)},
        )
        return Ended(done.returncode, done.stdout, done.stderr.decode())

    return command


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a function into a folder of its own, and give the path of the folder."""

    def make(name: str, text: str, description: str = "", **imports: str) -> str:
        folder = tmp_path / "functions" / name
        folder.mkdir(parents=True)
        (folder / "code.wat").write_text(text)
        named = "".join(f'"{key}" = "{value}"\n' for key, value in imports.items())
        head = f'code = "code.wat"\n\n[imports]\n{named}\n'
        (folder / "ipvm.toml").write_text(head + description)
        return str(folder)

    return make


@pytest.fixture
def keep(ipvm: Ipvm) -> Keep:
    """Keep code and a manifest with these imports, whether they fit or not; give its CID."""

    def keep(text: str, **imports: str) -> str:
        code = ipvm("block", "put", given=text_to_module(text)).line
        links = {name: {"/": cid} for name, cid in imports.items()}
        manifest = {"ipvm": "manifest/1", "code": {"/": code}}
        manifest |= {"imports": links} if links else {}
        return ipvm("dag", "put", given=json.dumps(manifest).encode()).line

    return keep


@pytest.fixture
def math(make: Make) -> str:
    """A function of numbers."""
    return make("math", MATH)


@pytest.fixture
def echo(make: Make) -> str:
    """A function that gives back what it is given, of each type that goes as a block."""
    return make("echo", ECHO, ECHO_DESCRIPTION)


@pytest.fixture(scope="session")
def page(root: Path) -> str:
    """The documentation of the command line."""
    return (root / "docs" / "cli.md").read_text()


FREE_KEYS = {
    "dependencies",
    "error",
    "exports",
    "functions",
    "imports",
    "record",
    "tests",
    "versions",
}
"""Fields that are maps with any keys."""


@pytest.fixture(scope="session")
def is_documented(page: str) -> Callable[[Mapping[str, Any]], bool]:
    """Whether an object has the fields of one of the examples of its type in the documentation."""
    examples = [json.loads(text) for text in EXAMPLE.findall(page)]

    def is_documented(record: Mapping[str, Any]) -> bool:
        of_type = [each for each in examples if each["$type"] == record["$type"]]
        return any(same_shape(example, record) for example in of_type)

    return is_documented


def same_shape(example: object, found: object, *, free: bool = False) -> bool:
    """Compare the keys of objects, also of those in lists, and the types of everything else."""
    if isinstance(example, dict) and isinstance(found, dict):
        if free:
            return True
        return example.keys() == found.keys() and all(
            same_shape(example[key], found[key], free=key in FREE_KEYS or key == "value")
            for key in example
        )
    if isinstance(example, list) and isinstance(found, list):
        return not example or all(any(same_shape(one, each) for one in example) for each in found)
    if free or example is None or found is None:
        return True
    return type(example) is type(found)
