"""Relinking makes a new function out of an old one, and changes nothing but its links."""

import pytest

import ipvm
from ipvm.errors import InvalidArguments, InvalidData, LinkError, NotFound
from ipvm.ipld import DAG_CBOR, DAG_JSON, Block, Cid
from ipvm.linker import ImportMismatch
from ipvm.model import Manifest
from ipvm.store import Memory
from ipvm.testing import Library

ONE = '(module (func (export "n") (result i32) (i32.const 1)))'
TWO = '(module (func (export "n") (result i32) (i32.const 2)))'
WIDE = '(module (func (export "n") (result i64) (i64.const 2)))'
USER = '(module (import "n" "n" (func $n (result i32))) (export "n" (func $n)))'
ABSENT = Cid(Cid.of(b"absent").digest, codec=DAG_CBOR)


async def keep(node: ipvm.Node, library: Library) -> int:
    """Store what the library has, and give how many blocks there are."""
    await node.store.put_many(list(library.blocks.values()))
    return await count(node)


async def count(node: ipvm.Node) -> int:
    assert isinstance(node.store, Memory)
    return (await node.store.statistics()).blocks


async def test_a_dependency_is_swapped_and_the_rest_stays(node: ipvm.Node) -> None:
    library = Library()
    one, two = library.manifest(ONE), library.manifest(TWO)
    exports = {"n": ipvm.Signature(params=(), results=("i32",), doc="A number.")}
    root = library.manifest(USER, {"n": one, "unused": ABSENT}, exports)
    before = await keep(node, library)
    swapped = await node.relink(root, {"n": two})
    assert (await (await node.load(root)).n(), await (await node.load(swapped)).n()) == (1, 2)
    old = Manifest.from_block(await node.blocks.get(root))
    new = Manifest.from_block(await node.blocks.get(swapped))
    assert new == Manifest(code=old.code, imports={**old.imports, "n": two}, exports=old.exports)
    assert await count(node) == before + 1


async def test_swapping_back_gives_the_old_cid(node: ipvm.Node) -> None:
    library = Library()
    one, two = library.manifest(ONE), library.manifest(TWO)
    root = library.manifest(USER, {"n": one})
    await keep(node, library)
    assert await node.relink(await node.relink(root, {"n": two}), {"n": one}) == root
    assert await node.relink(root, {"n": one}) == root
    assert await node.relink(root, {}) == root


async def test_bare_code_gets_a_manifest(node: ipvm.Node) -> None:
    library = Library()
    one, code = library.code(ONE), library.code(USER)
    await keep(node, library)
    linked = await node.relink(code, {"n": one})
    assert linked == library.manifest(code, {"n": one})
    assert await (await node.load(linked)).n() == 1


async def test_a_name_that_is_a_cid_can_be_swapped(node: ipvm.Node) -> None:
    library = Library()
    one, two = library.code(ONE), library.code(TWO)
    code = library.code(USER.replace('"n" "n"', f'"{one}" "n"'))
    await keep(node, library)
    assert await (await node.load(code)).n() == 1
    swapped = await node.relink(code, {str(one): two})
    assert await (await node.load(swapped)).n() == 2


async def test_a_manifest_of_dag_json_becomes_one_of_dag_cbor(node: ipvm.Node) -> None:
    library = Library()
    one, two = library.manifest(ONE), library.manifest(TWO)
    root = library.manifest(USER, {"n": one}, codec=DAG_JSON)
    await keep(node, library)
    assert await node.relink(root, {"n": two}) == library.manifest(USER, {"n": two})


async def test_a_link_that_does_not_fit_is_refused_and_nothing_is_stored(node: ipvm.Node) -> None:
    library = Library()
    root = library.manifest(USER, {"n": library.manifest(ONE)})
    wide = library.manifest(WIDE)
    before = await keep(node, library)
    with pytest.raises(ImportMismatch, match=r"wanted func .* -> i32, found func .* -> i64"):
        await node.relink(root, {"n": wide})
    with pytest.raises(NotFound, match=str(ABSENT)):
        await node.relink(root, {"n": ABSENT})
    with pytest.raises(LinkError, match="is not code"):
        await node.relink(root, {"n": Cid(ABSENT.digest, codec=0x72)})
    assert await count(node) == before


@pytest.mark.parametrize("name", ["m", "ipld", "unused", "x\x1b[2J"])
async def test_a_name_that_the_code_does_not_import_is_refused(name: str, node: ipvm.Node) -> None:
    library = Library()
    one = library.manifest(ONE)
    root = library.manifest(USER, {"n": one, "unused": one})
    before = await keep(node, library)
    with pytest.raises(
        InvalidArguments, match=r'imports nothing from ".*"; it imports "n"'
    ) as caught:
        await node.relink(root, {name: one})
    assert str(caught.value).isprintable()
    assert await count(node) == before


async def test_a_root_that_is_not_here_or_is_no_function_is_told(node: ipvm.Node) -> None:
    library = Library()
    one = library.manifest(ONE)
    record = library.keep(Block.encode({"a": 1}))
    text = library.keep(Block.of(b"(module)"))
    codeless = library.manifest(Cid.of(b"absent code"), {"n": one})
    await keep(node, library)
    for root in (ABSENT, codeless, Cid.of(b"absent too")):
        with pytest.raises(NotFound):
            await node.relink(root, {"n": one})
    for root in (record, text):
        with pytest.raises(InvalidData):
            await node.relink(root, {"n": one})
