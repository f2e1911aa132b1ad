"""Files go to functions, and come from them, by their CIDs, and are read piece by piece."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ipvm
import ipvm.sync
from ipvm.errors import InvalidArguments
from ipvm.ipld import InvalidCid
from ipvm.model import Signature
from ipvm.store import Memory
from ipvm.testing import Library

SAME = '(module (func (export "same") (param i32) (result i32) (local.get 0)))'
CONTENT = bytes(range(256)) * 10_000


def passing(type_: str) -> tuple[Library, ipvm.Cid]:
    """A function that gives back what it was given."""
    library = Library()
    signature = Signature(params=(type_,), results=(type_,))  # type: ignore[arg-type]
    return library, library.manifest(SAME, exports={"same": signature})


@pytest.fixture
async def node() -> AsyncIterator[ipvm.Node]:
    async with ipvm.open(store=Memory()) as node:
        yield node


async def test_a_file_goes_as_a_link_and_comes_back_to_be_streamed(node: ipvm.Node) -> None:
    library, cid = passing("link")
    await node.store.put_many(list(library.blocks.values()))
    program = await node.load(cid)
    given = ipvm.File(await node.add(CONTENT))
    found = await program.same(given)
    assert found == given.cid
    assert isinstance(found, ipvm.Cid)
    reader = await node.files.open(found)
    assert reader.size == len(CONTENT)
    assert b"".join([bytes(piece) async for piece in reader.pieces()]) == CONTENT
    as_file, as_cid = await program.same.receipt(given), await program.same.receipt(given.cid)
    assert as_file.cid == as_cid.cid
    async with program.session() as session:
        assert await session.same(given) == given.cid


async def test_a_file_in_a_value_is_a_link(node: ipvm.Node) -> None:
    library, cid = passing("ipld")
    await node.store.put_many(list(library.blocks.values()))
    file = ipvm.File(await node.add(b"content"))
    assert await (await node.load(cid)).same({"in": [file]}) == {"in": [file.cid]}


@pytest.mark.parametrize("type_", ["bytes", "string"])
async def test_a_file_is_not_read_where_bytes_are_wanted(node: ipvm.Node, type_: str) -> None:
    library, cid = passing(type_)
    await node.store.put_many(list(library.blocks.values()))
    program = await node.load(cid)
    with pytest.raises(InvalidArguments, match=f"expected {type_}, got a file"):
        await program.same(ipvm.File(ipvm.Cid.of(b"")))


def test_a_file_is_known_by_its_cid() -> None:
    cid = ipvm.Cid.of(b"x")
    assert ipvm.File(cid) == ipvm.File(str(cid)) == ipvm.File(f"ipfs://{cid}")
    assert ipvm.File(cid) != cid
    assert len({ipvm.File(cid), ipvm.File(cid)}) == 1
    assert repr(ipvm.File(cid)) == f"File('{cid}')"
    with pytest.raises(InvalidCid):
        ipvm.File("no CID")


def test_files_are_read_without_trio(tmp_path: Path) -> None:
    with ipvm.sync.open(store=tmp_path / "store") as node:
        file = node.files.open(node.add(CONTENT))
        assert (file.size, file.read(300, 3)) == (len(CONTENT), CONTENT[300:303])
        assert b"".join(file.pieces()) == CONTENT
        assert b"".join(file.pieces(5, 1_500_000)) == CONTENT[5:1_500_005]


async def test_a_file_is_opened_read_and_told_about_by_itself(node: ipvm.Node) -> None:
    file = ipvm.File(await node.add(b"one\ntwo\n"))
    opened = await node.files.open(file)
    assert (opened.size, await opened.read(4, 3)) == (8, b"two")
    assert await node.files.read(file) == b"one\ntwo\n"
    assert (await node.files.stat(file)).kind == "file"
