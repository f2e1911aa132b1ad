"""A folder with a function, a library with a few, and a node."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ipvm
from ipvm.ipld import Cid
from ipvm.store import Memory
from ipvm.testing import Library

TEXT = """(module
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 0) "working")
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "trap") (unreachable))
  (func (export "work")
    (loop $again (br_if $again (call $log (i32.const 0) (i32.const 7))))
    (loop (br 0)))
  (func (export "_hidden"))
  (func (export "cid")))"""
ADD = ipvm.Signature(params=("i32", "i32"), results=("i32",), doc="Add <two> numbers\nand \x1b[2J.")
NOTHING = ipvm.Signature(params=(), results=())


@pytest.fixture(scope="session")
def library() -> Library:
    """A library whose last block is a function; see `TEXT`."""
    library = Library()
    exports = {"add": ADD, **dict.fromkeys(("trap", "work", "_hidden", "cid"), NOTHING)}
    library.manifest(TEXT, exports=exports)
    return library


@pytest.fixture(scope="session")
def function(library: Library) -> Cid:
    """The CID of that function."""
    return list(library.blocks)[-1]


@pytest.fixture
async def node(library: Library) -> AsyncIterator[ipvm.Node]:
    async with ipvm.open(store=await library.store()) as node:
        yield node


@pytest.fixture
def memory(library: Library) -> Memory:
    """A store with the library in it, for tests without trio."""
    store = Memory()
    with ipvm.sync.open(store=store) as node:
        for cid, block in library.blocks.items():
            node.put(block.data, codec=cid.codec)
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same function on the disk, with one signature."""
    folder = tmp_path / "function"
    folder.mkdir()
    (folder / "code.wat").write_text(TEXT)
    (folder / "ipvm.toml").write_text(
        'code = "code.wat"\n[exports.add]\nparams = ["i32", "i32"]\nresults = ["i32"]\n'
    )
    return folder
