"""Publishing names what lies on the disk by its content, and nothing else."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import ipvm
from ipvm.engine import text_to_module
from ipvm.errors import InvalidData, LimitExceeded, LinkError, NotFound, Refused
from ipvm.files import CHUNK_BYTES
from ipvm.ipld import DAG_CBOR, DAG_PB, RAW, Cid
from ipvm.limits import DESCRIPTION_BYTES_MAX, Limits
from ipvm.linker import ImportMismatch, UnsatisfiedImport
from ipvm.model import Manifest
from ipvm.registry import ImportCycle, InvalidDescription
from ipvm.store import Memory
from ipvm.wasm import InvalidModule

Folder = Callable[..., Path]

ONE = '(module (func (export "one") (result i32) (i32.const 1)))'
USER = '(module (import "a" "one" (func $one (result i32))) (export "two" (func $one)))'


async def count(node: ipvm.Node) -> int:
    assert isinstance(node.store, Memory)
    return (await node.store.statistics()).blocks


async def assert_refused(
    node: ipvm.Node, path: Path | str, error: type[Exception], match: str
) -> None:
    """Publishing fails like this, and leaves nothing in the store."""
    before = await count(node)
    with pytest.raises(error, match=match) as caught:
        await node.publish(path)
    assert isinstance(caught.value, ipvm.IpvmError)
    assert str(caught.value).replace("\n", "").isprintable()
    assert await count(node) == before


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
    section = b"\x03pad" + bytes(CHUNK_BYTES)
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


async def test_functions_that_import_each_other_in_a_circle_are_refused(
    node: ipvm.Node, folder: Folder
) -> None:
    folder("b", code=USER, imports={"a": "../c"})
    folder("c", code=USER, imports={"a": "../a"})
    a = folder("a", code=USER, imports={"a": "../b"})
    await assert_refused(node, a, ImportCycle, "cannot import itself: .*/a → .*/b → .*/c → .*/a")
    alone = folder("alone", code=USER, imports={"a": "."})
    await assert_refused(node, alone, ImportCycle, "cannot import itself: .*/alone → .*/alone")


async def test_a_circle_through_a_link_is_found(
    node: ipvm.Node, folder: Folder, tmp_path: Path
) -> None:
    path = folder("f", code=USER, imports={"a": "inner"})
    (path / "inner").symlink_to(tmp_path / "f")
    await assert_refused(node, path, ImportCycle, "cannot import itself")


async def test_a_chain_of_folders_is_bounded(folder: Folder) -> None:
    last = folder("f0")
    for number in range(1, 5):
        code = USER.replace('"two"', '"one"')
        last = folder(f"f{number}", code=code, imports={"a": f"../f{number - 1}"})
    async with ipvm.open(store=Memory(), limits=Limits(folder_depth_max=5)) as wide:
        assert await (await wide.load(last)).one() == 1
    async with ipvm.open(store=Memory(), limits=Limits(folder_depth_max=4)) as narrow:
        await assert_refused(
            narrow, last, LimitExceeded, "folder_depth_max is 4; .*/f0 is beyond it; raise it with"
        )


async def test_a_long_chain_of_folders_does_not_exhaust_the_stack(folder: Folder) -> None:
    last = folder("f0")
    for number in range(1, 300):
        code = USER.replace('"two"', '"one"')
        last = folder(f"f{number}", code=code, imports={"a": f"../f{number - 1}"})
    async with ipvm.open(store=Memory(), limits=Limits(folder_depth_max=1000)) as node:
        assert (await node.publication(last)).survey.problem is None


async def test_what_is_not_there_is_told(node: ipvm.Node, folder: Folder, tmp_path: Path) -> None:
    await assert_refused(node, tmp_path / "nope", NotFound, "/nope is not there")
    await assert_refused(node, tmp_path, NotFound, "/ipvm.toml is not there")
    path = folder("f")
    await assert_refused(node, path / "code.wat" / "deeper", NotFound, "deeper is not there")
    (path / "code.wat").unlink()
    await assert_refused(node, path, NotFound, "/f/code.wat is not there")
    root = folder("root", imports={"a": "../gone"})
    await assert_refused(node, root, InvalidData, '"../gone": no such path, and not a CID')


async def test_what_cannot_be_read_is_told(node: ipvm.Node, folder: Folder, tmp_path: Path) -> None:
    path = folder("f")
    (path / "code.wat").unlink()
    (path / "code.wat").mkdir()
    await assert_refused(node, path, Refused, "code.wat cannot be read: Is a directory")
    (path / "code.wat").rmdir()
    (path / "code.wat").symlink_to("code.wat")
    await assert_refused(node, path, Refused, "code.wat cannot be read: Too many levels")
    (tmp_path / "loop").symlink_to("loop")
    await assert_refused(node, tmp_path / "loop", Refused, "loop cannot be read: Too many levels")
    await assert_refused(node, "x" * 300, Refused, "cannot be read: File name too long")
    await assert_refused(node, "a\0b", InvalidData, r"a\\x00b: a path has no NUL")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
async def test_a_file_without_permission_is_told(node: ipvm.Node, folder: Folder) -> None:
    path = folder("f")
    (path / "code.wat").chmod(0)
    await assert_refused(node, path, Refused, "code.wat cannot be read: Permission denied")


async def test_what_is_no_file_is_not_waited_for(
    node: ipvm.Node, folder: Folder, tmp_path: Path
) -> None:
    path = folder("f")
    (path / "code.wat").unlink()
    os.mkfifo(path / "code.wat")
    await assert_refused(node, path, Refused, "code.wat is no file")
    (path / "code.wat").unlink()
    (path / "code.wat").symlink_to("/dev/zero")
    await assert_refused(node, path, Refused, "code.wat is no file")
    (path / "ipvm.toml").unlink()
    os.mkfifo(path / "ipvm.toml")
    await assert_refused(node, path, Refused, "ipvm.toml is no file")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s.wasm"))
        await assert_refused(node, tmp_path / "s.wasm", Refused, "s.wasm cannot be read")


async def test_what_is_too_large_is_refused_before_it_is_read_to_the_end(
    folder: Folder, tmp_path: Path
) -> None:
    data = text_to_module(ONE)
    (tmp_path / "code.wasm").write_bytes(data)
    async with ipvm.open(store=Memory(), limits=Limits(module_bytes_max=len(data))) as node:
        assert await node.publish(tmp_path / "code.wasm") == Cid.of(data)
    async with ipvm.open(store=Memory(), limits=Limits(module_bytes_max=len(data) - 1)) as node:
        await assert_refused(
            node, tmp_path / "code.wasm", LimitExceeded, r"module_bytes_max is .*code\.wasm is bey"
        )
        path = folder("f")
        with (path / "ipvm.toml").open("a") as file:
            file.truncate(DESCRIPTION_BYTES_MAX + 1)
        await assert_refused(node, path, LimitExceeded, r"description_bytes is .*ipvm\.toml is bey")
    with (tmp_path / "huge.wasm").open("wb") as file:
        file.truncate(2**40)
    async with ipvm.open(store=Memory()) as node:
        await assert_refused(node, tmp_path / "huge.wasm", LimitExceeded, "module_bytes_max")


WRONG_FILES = [
    ("ipvm.toml", b"code =", InvalidDescription, r"f/ipvm\.toml: not TOML"),
    ("ipvm.toml", b"\xff", InvalidDescription, r"f/ipvm\.toml: not UTF-8"),
    ("ipvm.toml", b'code = "../x.wat"', InvalidDescription, r"f/ipvm\.toml: .*inside the folder"),
    ("code.wat", b"(module", InvalidData, r"f/code\.wat: .*expected"),
    ("code.wat", b"\xff", InvalidData, r"f/code\.wat: 'utf-8' codec"),
    ("code.wat", b"", InvalidData, r"f/code\.wat: "),
    ("code.wat", b"(component)", InvalidModule, r"f/code\.wat: .*component"),
    ("code.wat", b'(module (func (export "f") call 7))', InvalidData, r"f/code\.wat: .*unknown"),
]


@pytest.mark.parametrize(("name", "data", "error", "match"), WRONG_FILES)
async def test_a_file_that_is_wrong_is_named(
    name: str, data: bytes, error: type[Exception], match: str, node: ipvm.Node, folder: Folder
) -> None:
    path = folder("f")
    (path / name).write_bytes(data)
    await assert_refused(node, path, error, match)


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\0asm\x0d\0\1\0", text_to_module(ONE)[:20]])
async def test_a_binary_that_is_no_module_is_named(
    data: bytes, node: ipvm.Node, tmp_path: Path
) -> None:
    (tmp_path / "code.wasm").write_bytes(data)
    await assert_refused(node, tmp_path / "code.wasm", InvalidModule, r"/code\.wasm: ")


async def test_an_import_that_does_not_fit_is_told_with_the_path(
    node: ipvm.Node, folder: Folder
) -> None:
    leaf = folder("leaf", code='(module (func (export "one") (result i64) (i64.const 1)))')
    root = folder("root", code=USER, imports={"a": "../leaf"})
    await assert_refused(node, root, ImportMismatch, "wanted func .* -> i32, found func .* -> i64")
    with pytest.raises(LinkError) as caught:
        await node.publish(root)
    notes = "\n".join(caught.value.__notes__)
    assert f"would be {leaf}" in notes
    assert f"would be {root}" in notes


async def test_an_import_that_nothing_serves_is_told(node: ipvm.Node, folder: Folder) -> None:
    await assert_refused(node, folder("f", code=USER), UnsatisfiedImport, '"a" is no host module')
    folder("leaf", code="(module)")
    root = folder("root", code=USER, imports={"a": "../leaf"})
    await assert_refused(node, root, UnsatisfiedImport, 'no export "one"; it has none')


async def test_a_signature_that_does_not_fit_is_told(node: ipvm.Node, folder: Folder) -> None:
    path = folder("f")
    with (path / "ipvm.toml").open("a") as file:
        file.write('\n[exports.one]\nparams = ["i32"]\nresults = []\n')
    await assert_refused(node, path, LinkError, r'exports\["one"\]: the signature')


async def test_a_hostile_name_of_a_folder_is_escaped(node: ipvm.Node, folder: Folder) -> None:
    path = folder("f\x1b[2J")
    (path / "code.wat").write_text("(module")
    await assert_refused(node, path, InvalidData, r"f\\x1b\[2J/code\.wat")


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
