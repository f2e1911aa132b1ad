"""Guests read files by range, and only the blocks that they touch."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import trio
from hypothesis import given

from ipvm.errors import Unavailable
from ipvm.files.nodes import NO_METADATA, Link, file_message, shard_message
from ipvm.files.profiles import V1_2025, ImportProfile
from ipvm.host import ErrorNumber as E
from ipvm.host.file_calls import FILE
from ipvm.ipld import DAG_CBOR, Cid

if TYPE_CHECKING:
    from tests.host.files.conftest import FileGuest

FOUND_AT, OUT_AT = 8192, 0


def test_any_range_of_any_file_is_what_the_content_has_there(
    guest: "FileGuest", layout: ImportProfile
) -> None:
    @given(st.binary(max_size=300), st.integers(0, 320), st.integers(0, 320))
    def check(content: bytes, offset: int, room: int) -> None:
        cid = guest.add_file(content, layout)
        folder = guest.shelf.add_folder({"file": cid})
        for root, path in ((cid, ""), (folder, "file")):
            read = partial(guest.read, root, path, offset=offset, room=room)
            assert trio.run(read) == content[offset : offset + room]
            assert trio.run(guest.stat, root, path) == (FILE, len(content), cid)

    check()


async def test_a_part_that_is_missing_fails_the_ranges_that_it_is_in(guest: "FileGuest") -> None:
    content = bytes(range(50))
    cid = guest.add_file(content)
    del guest.shelf.blocks[Cid.of(content[21:28])]
    assert await guest.read(cid, offset=0, room=21) == content[:21]
    assert await guest.read(cid, offset=28) == content[28:]
    assert await guest.read(cid, offset=0, room=22) == E.NOT_FOUND
    guest.shelf.blocks[Cid.of(content[21:28])] = Unavailable("nobody answered")
    assert await guest.read(cid, offset=27, room=1) == E.TIMEOUT


async def test_what_lies_about_itself_is_no_valid_encoding(guest: "FileGuest") -> None:
    shelf = guest.shelf
    leaf = shelf.add(b"leaf")
    other = shelf.add(b"\xa0", codec=DAG_CBOR)
    longer = file_message(b"", 5, [5], NO_METADATA)
    misplaced = shard_message(1 << 3, NO_METADATA)
    for cid in (
        other,
        shelf.add(b"\x0a\x02\x08\x09", codec=0x70),
        shelf.add(b"garbage", codec=0x70),
        guest.add_node(longer, [Link(b"", leaf, 4)]),
        guest.add_node(file_message(b"", 4, [4], NO_METADATA), [Link(b"", other, 4)]),
    ):
        assert await guest.read(cid) == E.SERIALIZATION
    for link in (Link(b"03name", leaf, 0), Link(b"03", leaf, 0)):
        assert await guest.entry(guest.add_node(misplaced, [link])) == E.SERIALIZATION


async def test_what_does_not_fit_is_not_written(guest: "FileGuest") -> None:
    root = guest.shelf.add_folder({"name": guest.add_file(b"x")})
    assert await guest.stat(root, "name", 35) == E.BUFFER_TOO_SMALL
    assert await guest.entry(root, room=3) == E.BUFFER_TOO_SMALL
    assert await guest.entry(root, room=4) == 0
    before = guest.puppet.read(FOUND_AT, 160)
    assert await guest.ask("file_stat", root, "", FOUND_AT, 0) == 0
    assert guest.puppet.u32(OUT_AT + 12) == 36
    assert guest.puppet.read(FOUND_AT, 160) == before


async def test_a_call_reads_up_to_4_mebibytes(file_guest: "Callable[..., FileGuest]") -> None:
    guest = file_guest(pages=[66])
    content = bytes(5 * 1024 * 1024)
    cid = guest.add_file(content, V1_2025)
    most = 4 * 1024 * 1024
    assert await guest.read(cid, room=most) == content[:most]
    assert await guest.read(cid, room=most + 1) == E.LIMIT_EXCEEDED


async def test_nothing_of_a_call_stays_in_the_room_for_blocks(
    file_guest: "Callable[..., FileGuest]",
) -> None:
    guest = file_guest(heap_bytes=8192)
    content = Random(4).randbytes(8192)
    cid = guest.add_file(content, V1_2025)
    mark = guest.puppet.world.kernel.mark()
    for _ in range(3):
        assert await guest.read(cid, room=8192) == content
        assert await guest.read(cid, room=8193) == E.LIMIT_EXCEEDED
    assert guest.puppet.world.kernel.mark() == mark


async def test_a_chain_of_files_is_followed_to_a_depth(guest: "FileGuest") -> None:
    cid = guest.shelf.add(b"x")
    for depth in range(66):
        cid = guest.add_node(file_message(b"", 1, [1], NO_METADATA), [Link(b"", cid, 1)])
        expected = b"x" if depth < 64 else E.LIMIT_EXCEEDED
        assert await guest.read(cid, room=1) == expected


async def test_many_links_are_read_where_they_hold_up_nobody(guest: "FileGuest") -> None:
    leaves = [Link(b"", guest.shelf.add(b"%04d" % number), 4) for number in range(3000)]
    cid = guest.add_node(file_message(b"", 12_000, [4] * 3000, NO_METADATA), leaves)
    assert await guest.read(cid, offset=8000, room=8) == b"20002001"
