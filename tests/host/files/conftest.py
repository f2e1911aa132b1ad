"""A guest that reads files and folders, and trees of every form for it."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

import pytest

from ipvm.files.balanced import file_blocks
from ipvm.files.nodes import NO_METADATA, Link, node, shard_message, symlink
from ipvm.files.profiles import PROFILES, V1_2025, ImportProfile
from ipvm.ipld import Block, Cid

if TYPE_CHECKING:
    from tests.host.conftest import Puppet, World

OUT_AT, CID_AT, PATH_AT, FOUND_AT, TO_AT = 0, 256, 512, 8192, 16384
TO_BYTES = 65_536
SMALL: Final = replace(V1_2025, chunk_bytes=7, links_max=3)


@final
class FileGuest:
    """A guest, by its host calls about files."""

    def __init__(self, puppet: "Puppet") -> None:
        self.puppet = puppet
        self.shelf = puppet.world.services

    def put(self, blocks: Iterable[Block]) -> None:
        self.shelf.blocks.update((block.cid, block) for block in blocks)

    def add_file(self, content: bytes, profile: ImportProfile = SMALL) -> Cid:
        cid, blocks = file_blocks(content, profile)
        self.put(blocks)
        return cid

    def add_link(self, target: bytes) -> Cid:
        written, block = symlink(target, V1_2025, NO_METADATA)
        self.put([block])
        return written.cid

    def add_node(self, message: bytes, links: Iterable[Link] = ()) -> Cid:
        written, block = node(message, list(links), V1_2025, file_bytes=0)
        self.put([block])
        return written.cid

    def add_endless(self) -> Cid:
        """A folder of a million million shards, all of them the same few, and no entry."""
        cid = self.add_node(shard_message(0, NO_METADATA))
        for _ in range(5):
            links = [Link(b"%02X" % slot, cid, 0) for slot in range(256)]
            cid = self.add_node(shard_message((1 << 256) - 1, NO_METADATA), links)
        return cid

    async def stat(self, cid: Cid, path: str = "", room: int = 160) -> object:
        """What a path leads to: kind, size and CID; or an error number."""
        error = await self.ask("file_stat", cid, path, FOUND_AT, room)
        if error:
            return error
        puppet = self.puppet
        found = puppet.read(FOUND_AT, puppet.u32(OUT_AT + 12))
        return puppet.u32(OUT_AT + 8), puppet.u64(OUT_AT), Cid.decode(found)

    async def read(
        self, cid: Cid, path: str = "", *, offset: int = 0, room: int = TO_BYTES
    ) -> bytes | int:
        """A range of a file, or an error number."""
        puppet = self.puppet
        before = puppet.read(TO_AT, room)
        error = await self.ask("file_read", cid, path, offset, TO_AT, room)
        assert puppet.read(TO_AT, room) == before or not error
        return error or puppet.read(TO_AT, puppet.u32(OUT_AT))

    async def list(self, cid: Cid, path: str = "") -> list[tuple[str, Cid]]:
        """All entries of a folder."""
        found: list[tuple[str, Cid]] = []
        puppet, cursor = self.puppet, 0
        while True:
            assert await self.ask("dir_entry", cid, path, cursor, TO_AT, 4096, FOUND_AT, 160) == 0
            size, cid_size = puppet.u32(OUT_AT + 8), puppet.u32(OUT_AT + 12)
            if size:
                name = puppet.read(TO_AT, size).decode()
                found.append((name, Cid.decode(puppet.read(FOUND_AT, cid_size))))
            cursor = puppet.u64(OUT_AT)
            if not cursor:
                return found

    async def entry(self, cid: Cid, *, cursor: int = 0, room: int = 4096) -> int:
        """The error number for one entry of a folder."""
        return await self.ask("dir_entry", cid, "", cursor, TO_AT, room, FOUND_AT, 160)

    async def ask(self, name: str, cid: Cid, path: str, *others: int) -> int:
        self.puppet.write(CID_AT, bytes(cid))
        self.puppet.write(PATH_AT, path.encode())
        return await self.puppet.call(name, OUT_AT, CID_AT, PATH_AT, len(path.encode()), *others)


@pytest.fixture
def file_guest(make_world: "Callable[..., World]") -> "Callable[..., FileGuest]":
    """Makes a guest in a world of its own."""
    return lambda **options: FileGuest(make_world(**options).puppets[0])


@pytest.fixture
def guest(file_guest: "Callable[..., FileGuest]") -> FileGuest:
    """One such guest."""
    return file_guest()


@pytest.fixture(params=[SMALL, replace(PROFILES["unixfs-v0-2015"], chunk_bytes=7, links_max=3)])
def layout(request: pytest.FixtureRequest) -> ImportProfile:
    """How files become blocks: with raw leaves, or with wrapped ones."""
    profile: ImportProfile = request.param
    return profile
