"""Trees on the disk: whole files or none, nothing replaced, and no way out of the target."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ipvm.errors import InvalidData, NotFound, Refused
from ipvm.exchange import BlockService, StoreSource
from ipvm.files import Files, UnsafeSymlink, export
from ipvm.ipld import DAG_CBOR, DAG_PB, Block, Value
from ipvm.ipld.varint import write as varint
from ipvm.store.memory import Memory

MakeNode = Callable[..., Block]
FOLDER = b"\x08\x01"


def folder(message: bytes = FOLDER, **entries: Block) -> Block:
    links: list[Value] = [
        {"Hash": block.cid, "Name": name, "Tsize": 1} for name, block in sorted(entries.items())
    ]
    return Block.encode({"Data": message, "Links": links}, codec=DAG_PB)


def node(message: bytes) -> Block:
    return Block.encode({"Data": message, "Links": []}, codec=DAG_PB)


def symlink(target: bytes) -> Block:
    return node(b"\x08\x04\x12" + varint(len(target)) + target)


async def write(root: Block, path: Path, *blocks: Block, force: bool = False) -> None:
    store = Memory()
    await store.put_many([root, *blocks])
    files = Files(BlockService(store, StoreSource(Memory())))
    await export(files, await files.resolve(root.cid, follow=False), str(path), force=force)


def names(path: Path) -> list[str]:
    return sorted(each.relative_to(path).as_posix() for each in path.rglob("*"))


async def test_a_tree_is_written_with_modes_times_and_symlinks(tmp_path: Path) -> None:
    script = node(b"\x08\x02\x12\x02hi\x38" + varint(0o4755) + b"\x42\x02\x08\x05")
    empty, link = Block.of(b""), symlink(b"../run")
    inner = folder(FOLDER + b"\x42\x02\x08\x07", link=link, empty=empty)
    root = folder(run=script, inner=inner)
    await write(root, tmp_path / "out", inner, script, empty, link)
    assert names(tmp_path) == ["out", "out/inner", "out/inner/empty", "out/inner/link", "out/run"]
    found = (tmp_path / "out" / "run").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime) == (0o755, 5)
    assert (tmp_path / "out" / "inner").stat().st_mtime == 7
    assert (tmp_path / "out" / "inner" / "link").read_bytes() == b"hi"


async def test_what_is_there_is_replaced_by_force_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "other").write_text("other")
    new = Block.of(b"new")
    for root, name in ((new, "file"), (folder(a=new), "folder")):
        with pytest.raises(Refused, match=r"is already there; --force"):
            await write(root, tmp_path / name, new)
    assert names(tmp_path) == ["file", "folder", "folder/other"]
    assert (tmp_path / "file").read_text() == "old"
    await write(new, tmp_path / "file", force=True)
    await write(folder(a=new), tmp_path / "folder", new, force=True)
    assert (tmp_path / "file").read_text() == "new"
    assert names(tmp_path) == ["file", "folder", "folder/a", "folder/other"]


@pytest.mark.parametrize(
    "target", [b"/etc/passwd", b"..", b"../x", b"a/../../x", b"a/..", b"./../b", b"../../out/a"]
)
async def test_a_symlink_out_of_the_tree_is_not_written(tmp_path: Path, target: bytes) -> None:
    link = symlink(target)
    with pytest.raises(UnsafeSymlink, match="symlink"):
        await write(folder(link=link), tmp_path / "out", link)
    with pytest.raises(UnsafeSymlink):
        await write(link, tmp_path / "alone")
    assert names(tmp_path) == ["out"]


async def test_symlinks_that_are_there_are_not_followed(tmp_path: Path) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (outside / "file").write_text("old")
    out.mkdir()
    (out / "a").symlink_to(outside)
    (out / "f").symlink_to(outside / "file")
    new = Block.of(b"new")
    inner = folder(file=new)
    with pytest.raises(Refused, match="out/a cannot be written"):
        await write(folder(a=inner), out, inner, new, force=True)
    await write(folder(f=new), out, new, force=True)
    assert (outside / "file").read_text() == "old"
    assert (out / "f").read_text() == "new"
    assert not (out / "f").is_symlink()


async def test_a_tree_of_a_symlink_and_a_folder_of_the_same_name_is_refused(
    tmp_path: Path,
) -> None:
    link, new = symlink(b"b"), Block.of(b"new")
    inner = folder(file=new)
    links: list[Value] = [{"Hash": each.cid, "Name": "a", "Tsize": 1} for each in (link, inner)]
    root = Block.encode({"Data": FOLDER, "Links": links}, codec=DAG_PB)
    with pytest.raises(InvalidData, match="two entries"):
        await write(root, tmp_path / "out", link, inner, new)
    assert names(tmp_path) == []


async def test_a_file_that_breaks_off_is_not_there(tmp_path: Path, file_node: MakeNode) -> None:
    there, missing = Block.of(b"there"), Block.of(b"missing")
    root = file_node(None, [there.cid, missing.cid], sizes=[5, 7], file_bytes=12)
    with pytest.raises(NotFound, match=str(missing.cid)):
        await write(root, tmp_path / "file", there)
    assert names(tmp_path) == []


async def test_values_and_impossible_targets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="is a value"):
        await write(Block.encode({}, codec=DAG_CBOR), tmp_path / "value")
    for path in (Path("/"), tmp_path / ".."):
        with pytest.raises(InvalidData, match="no path for a new file"):
            await write(Block.of(b""), path)
    with pytest.raises(Refused, match="cannot be written"):
        await write(Block.of(b""), tmp_path / "absent" / "file")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - hidden ones too
