"""Publishing names what lies on the disk by its content, and nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import ipvm
from ipvm.engine import text_to_module
from ipvm.errors import NotFound
from ipvm.files.profiles import V1_2025
from ipvm.ipld import DAG_CBOR, DAG_PB, RAW, Cid
from ipvm.model import Manifest
from ipvm.store import Memory

Folder = Callable[..., Path]

ONE = '(module (func (export "one") (result i32) (i32.const 1)))'
USER = '(module (import "a" "one" (func $one (result i32))) (export "two" (func $one)))'


async def count(node: ipvm.Node) -> int:
    assert isinstance(node.store, Memory)
    return (await node.store.statistics()).blocks


async def test_a_folder_becomes_a_manifest(node: ipvm.Node, folder: Folder) -> None:
    path = folder("f")
    with (path / "ipvm.toml").open("a") as file:
        file.write('\n[exports.one]\nparams = []\nresults = ["i32"]\ndoc = "One."\n')
    cid = await node.publish(path)
    assert cid.codec == DAG_CBOR
    manifest = Manifest.from_block(await node.blocks.get(cid))
    assert manifest == Manifest(
        code=Cid.of(text_to_module(ONE)),
        exports={"one": ipvm.Signature(params=(), results=("i32",), doc="One.")},
    )
    assert await node.get(manifest.code) == text_to_module(ONE)
    assert await (await node.load(cid)).one() == 1


async def test_text_and_binary_of_the_same_code_have_one_cid(
    node: ipvm.Node, folder: Folder, tmp_path: Path
) -> None:
    binary = text_to_module(ONE)
    (tmp_path / "code.wasm").write_bytes(binary)
    (tmp_path / "code.wat").write_text(ONE)
    expected = Cid.of(binary)
    assert await node.publish(tmp_path / "code.wasm") == expected
    assert await node.publish(str(tmp_path / "code.wat")) == expected
    assert expected.codec == RAW
    assert await node.publish(folder("a")) == await node.publish(folder("b", code=binary))


async def test_the_file_that_describes_a_folder_stands_for_it(
    node: ipvm.Node, folder: Folder
) -> None:
    path = folder("f")
    assert await node.publish(path / "ipvm.toml") == await node.publish(path)


async def test_long_code_is_cut_as_ipfs_does(node: ipvm.Node, tmp_path: Path) -> None:
    section = b"\x03pad" + bytes(V1_2025.chunk_bytes)
    size = len(section)
    length = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])
    (tmp_path / "long.wasm").write_bytes(text_to_module(ONE) + b"\0" + length + section)
    cid = await node.publish(tmp_path / "long.wasm")
    assert cid.codec == DAG_PB
    assert await (await node.load(cid)).one() == 1


async def test_what_a_folder_imports_is_published_first(node: ipvm.Node, folder: Folder) -> None:
    leaf = folder("deep/leaf")
    middle = folder("middle", code=USER, imports={"a": "../deep/leaf"})
    code = USER.replace('"one"', '"two"')
    root = folder("root", code=code, imports={"a": "../middle"})
    published = await node.publication(root)
    assert published.dependencies == {
        str(leaf): await node.publish(leaf),
        str(middle): await node.publish(middle),
    }
    assert await (await node.load(published.cid)).two() == 1
    assert published.survey.problem is None
    assert list(published.survey.nodes) == [*published.dependencies.values(), published.cid]


async def test_an_import_may_be_a_file_of_code(
    node: ipvm.Node, folder: Folder, tmp_path: Path
) -> None:
    (tmp_path / "one.wat").write_text(ONE)
    root = folder("root", code=USER, imports={"a": "../one.wat"})
    assert await (await node.load(root)).two() == 1


async def test_the_same_sources_have_the_same_cid_wherever_they_lie(
    node: ipvm.Node, folder: Folder, tmp_path: Path
) -> None:
    folder("here/leaf")
    root = folder("here/root", code=USER, imports={"a": "../leaf"})
    cid = await node.publish(root)
    shutil.copytree(tmp_path / "here", tmp_path / "elsewhere" / "deep")
    async with ipvm.open(store=Memory()) as other:
        assert await other.publish(tmp_path / "elsewhere" / "deep" / "root") == cid


async def test_a_relative_path_is_taken_from_where_the_program_runs(
    node: ipvm.Node, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder("leaf")
    root = folder("root", code=USER, imports={"a": "../leaf"})
    cid = await node.publish(root)
    monkeypatch.chdir(tmp_path)
    assert await node.publish("root") == cid
    assert await node.resolve("root") == cid
    assert await node.resolve("./root/") == cid
    monkeypatch.chdir(root)
    assert await node.publish(".") == cid


async def test_two_paths_to_one_folder_are_one_function(
    node: ipvm.Node, folder: Folder, tmp_path: Path
) -> None:
    folder("leaf")
    (tmp_path / "link").symlink_to(tmp_path / "leaf")
    code = """(module (import "a" "one" (func $a (result i32)))
      (import "b" "one" (func $b (result i32))) (export "two" (func $a)))"""
    root = folder("root", code=code, imports={"a": "../leaf", "b": "../link"})
    published = await node.publication(root)
    assert list(published.dependencies) == [str(tmp_path / "leaf")]


async def test_a_link_to_a_file_of_code_is_followed(
    node: ipvm.Node, folder: Folder, tmp_path: Path
) -> None:
    path = folder("f")
    cid = await node.publish(path)
    (path / "code.wat").rename(tmp_path / "moved.wat")
    (path / "code.wat").symlink_to(tmp_path / "moved.wat")
    assert await node.publish(path) == cid


async def test_an_import_that_is_not_here_is_published_and_told_as_missing(
    node: ipvm.Node, folder: Folder
) -> None:
    absent = Cid(Cid.of(b"absent").digest, codec=DAG_CBOR)
    root = folder("root", code=USER, imports={"a": str(absent)})
    published = await node.publication(root)
    assert await node.store.has(published.cid)
    assert isinstance(published.survey.problem, NotFound)
    assert str(absent) in str(published.survey.problem)
    with pytest.raises(NotFound, match=str(absent)):
        await node.load(published.cid)


async def test_an_import_by_cid_is_what_is_there(node: ipvm.Node, folder: Folder) -> None:
    leaf = await node.publish(folder("leaf"))
    for text in (str(leaf), f"ipfs://{leaf}", f"/ipfs/{leaf}"):
        root = folder(f"root-{len(text)}", code=USER, imports={"a": text})
        assert await (await node.load(root)).two() == 1


async def test_a_preview_stores_nothing(node: ipvm.Node, folder: Folder) -> None:
    path = folder("f")
    found = await node.survey(path)
    assert found.problem is None
    assert await count(node) == 0
    assert await node.publish(path) == found.root


async def test_publishing_again_changes_nothing(node: ipvm.Node, folder: Folder) -> None:
    path = folder("f")
    cid = await node.publish(path)
    before = await count(node)
    assert await node.publish(path) == cid
    assert await count(node) == before
