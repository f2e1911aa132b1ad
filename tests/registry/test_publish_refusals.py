"""What cannot be published is told by its file, and leaves nothing behind."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import ipvm
from ipvm.engine import text_to_module
from ipvm.errors import InvalidData, LimitExceeded, LinkError, NotFound, Refused
from ipvm.ipld import Cid
from ipvm.limits import DESCRIPTION_BYTES_MAX, Limits
from ipvm.linker import ImportMismatch, UnsatisfiedImport
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
