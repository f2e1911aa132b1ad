"""Guests find what a path leads to, and list folders one entry at a time."""

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import hypothesis.strategies as st
import pytest
import trio
from hypothesis import given

from ipvm.files.directory import directory, entry
from ipvm.files.murmur3 import murmur3_64
from ipvm.files.nodes import Written
from ipvm.files.profiles import PROFILES, V1_2025
from ipvm.host import ErrorNumber as E
from ipvm.host.file_calls import FILE, FOLDER, SYMLINK
from ipvm.host.file_nodes import NODE_FUEL, STRUCTURE_BYTE_FUEL
from ipvm.ipld import Cid

if TYPE_CHECKING:
    from tests.host.files.conftest import FileGuest

OUT_AT, CID_AT, PATH_AT = 0, 256, 512
OTHERS: Final = {"file_stat": 2, "file_read": 3, "dir_entry": 5}
"""How many numbers each call takes besides its out-pointer and its place."""
TINY: Final = [replace(each, folder_bytes_max=200) for each in PROFILES.values()]

names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


def test_any_folder_lists_each_of_its_entries_once(guest: "FileGuest") -> None:
    @given(st.sets(names.filter(lambda name: name not in {".", ".."}), max_size=40), st.data())
    def check(found: set[str], data: st.DataObject) -> None:
        profile = data.draw(st.sampled_from([*TINY, *PROFILES.values()]))
        entries = {name: Cid.of(name.encode()) for name in found}
        links = [entry(name.encode(), Written(cid, 0, 0)) for name, cid in entries.items()]
        root, blocks = directory(links, profile)
        guest.put(blocks)
        listed = trio.run(guest.list, root.cid)
        assert dict(listed) == entries
        assert len(listed) == len(entries)
        assert trio.run(guest.stat, root.cid) == (FOLDER, 0, root.cid)

    check()


async def test_a_large_folder_is_listed_by_one_look_at_each_shard(guest: "FileGuest") -> None:
    links = [entry(b"%d" % number, Written(Cid.of(b""), 0, 0)) for number in range(3000)]
    root, blocks = directory(links, replace(V1_2025, folder_bytes_max=0))
    guest.put(blocks)
    before = guest.puppet.world.store.fuel
    listed = await guest.list(root.cid)
    assert len(set(listed)) == 3000
    hashes = [murmur3_64(name.encode()) for name, _ in listed]
    assert all(former < latter for former, latter in pairwise(hashes))
    assert sorted(guest.shelf.opened) == sorted(block.cid for block in blocks)
    structure = sum(len(block.data) for block in blocks)
    spent = before - guest.puppet.world.store.fuel - NODE_FUEL * len(blocks)
    assert spent - STRUCTURE_BYTE_FUEL * structure < 3000 * 16_000


@pytest.mark.parametrize("cursor", [1, 2**63, 2**64 - 1])
async def test_behind_the_last_entry_there_is_none(guest: "FileGuest", cursor: int) -> None:
    root = guest.shelf.add_folder({"name": Cid.of(b"")})
    assert await guest.entry(root, cursor=cursor) == 0
    assert guest.puppet.read(OUT_AT, 16) == bytes(16)
    file = guest.add_file(b"content")
    assert await guest.read(file, offset=max(7, cursor)) == b""


async def test_a_path_leads_through_folders_sharded_or_not(guest: "FileGuest") -> None:
    shelf = guest.shelf
    file = guest.add_file(b"some content")
    many = {f"name {number}": file for number in range(20)}
    links = [entry(name.encode(), Written(cid, 0, 0)) for name, cid in many.items()]
    sharded, blocks = directory(links, TINY[0])
    guest.put(blocks)
    root = shelf.add_folder({"Ä b": sharded.cid})
    assert await guest.read(root, "Ä b/name 7", offset=5, room=4) == b"cont"
    assert await guest.stat(root, "Ä b") == (FOLDER, 0, sharded.cid)
    assert await guest.stat(root, "Ä b/name 99") == E.NOT_FOUND
    assert await guest.stat(root, "Ä b/name 7/below") == E.NOT_FOUND
    assert dict(await guest.list(root, "Ä b")) == many


async def test_symlinks_are_followed_on_a_path_and_not_where_there_is_none(
    guest: "FileGuest",
) -> None:
    shelf = guest.shelf
    file = guest.add_file(b"content")
    links = {
        name: guest.add_link(target)
        for name, target in {
            "to": b"inner/file", "up": b"../..", "absolute": b"/inner/file", "nowhere": b"lost",
            "loop": b"loop", "folder": b"./inner/",
        }.items()
    }  # fmt: skip
    root = shelf.add_folder({**links, "inner": shelf.add_folder({"file": file})})
    for path in ("to", "folder/file"):
        assert await guest.read(root, path) == b"content"
        assert await guest.stat(root, path) == (FILE, 7, file)
    for path in ("up", "absolute", "nowhere"):
        assert await guest.stat(root, path) == E.NOT_FOUND
    assert await guest.stat(root, "loop") == E.LIMIT_EXCEEDED
    assert await guest.stat(links["to"]) == (SYMLINK, 10, links["to"])
    assert await guest.read(links["to"], offset=6) == b"file"


async def test_what_is_not_of_the_right_kind_is_an_illegal_argument(guest: "FileGuest") -> None:
    file = guest.add_file(b"x" * 50)
    root = guest.shelf.add_folder({"file": file})
    assert await guest.read(root) == E.ILLEGAL_ARGUMENT
    assert await guest.entry(file) == E.ILLEGAL_ARGUMENT
    assert await guest.entry(guest.add_link(b"x")) == E.ILLEGAL_ARGUMENT


@pytest.mark.parametrize("path", ["/file", "file/", "a//b", ".", "..", "a/../file", "/"])
async def test_a_path_has_no_step_that_is_empty_or_dots(guest: "FileGuest", path: str) -> None:
    root = guest.shelf.add_folder({"file": guest.add_file(b"x")})
    assert await guest.stat(root, path) == E.ILLEGAL_ARGUMENT


async def test_a_path_is_short_and_utf_8(guest: "FileGuest") -> None:
    root = guest.shelf.add_folder({})
    guest.puppet.write(CID_AT, bytes(root))
    guest.puppet.write(PATH_AT, b"\xff")
    assert (
        await guest.puppet.call("file_stat", OUT_AT, CID_AT, PATH_AT, 1, 0, 0) == E.ILLEGAL_ARGUMENT
    )
    guest.puppet.write(PATH_AT, b"x" * 4097)
    assert await guest.puppet.call("file_stat", OUT_AT, CID_AT, PATH_AT, 4096, 0, 0) == E.NOT_FOUND
    assert (
        await guest.puppet.call("file_stat", OUT_AT, CID_AT, PATH_AT, 4097, 0, 0)
        == E.LIMIT_EXCEEDED
    )
    size = len(guest.puppet.memory)
    for start, length in ((size - 1, 2), (size + 1, 0), (2**32 - 1, 2**32 - 1)):
        for name, count in OTHERS.items():
            numbers = (OUT_AT, CID_AT, start, length, *[0] * count)
            assert await guest.puppet.call(name, *numbers) == E.ILLEGAL_ARGUMENT
    for name, count in OTHERS.items():
        for address in (size, OUT_AT):  # nothing is there, or no CID
            numbers = (OUT_AT, address, 0, 0, *[0] * count)
            assert await guest.puppet.call(name, *numbers) == E.ILLEGAL_ARGUMENT
