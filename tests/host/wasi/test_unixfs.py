"""A guest is given trees of UnixFS lazily, and what it makes of them becomes UnixFS again."""

import random
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import pytest
import trio

from ipvm.errors import LimitExceeded
from ipvm.files import Files, InvalidNode, NodeNotFound, NodeSource
from ipvm.files.adding import Importer, ImportOptions
from ipvm.host.wasi.folder import Folder
from ipvm.host.wasi.nodes import File
from ipvm.host.wasi.origin import DIRECTORY, REGULAR_FILE, SYMBOLIC_LINK
from ipvm.host.wasi.publishing import publish_file, publish_folder
from ipvm.host.wasi.tree import Opening
from ipvm.host.wasi.unixfs import folder_origin
from ipvm.ipld import DAG_PB, RAW, Block, Cid, Value
from ipvm.limits import TREE_DEPTH_MAX
from ipvm.store import Memory

if TYPE_CHECKING:
    from tests.host.wasi.conftest import World

NAMES: Final = [f"file {number:03}" + 240 * "." for number in range(1000)]
"""So long that a folder is sharded that has all of them."""
LARGE: Final = random.Random(5).randbytes(3_500_000)


@final
class Noting:
    """A store that notes what is read of it."""

    def __init__(self, folder: Path | None = None) -> None:
        self.store = Memory()
        self.root = None if folder is None else self.put(folder)
        self.reads: list[Cid] = []

    async def get(self, cid: Cid) -> Block:
        self.reads.append(cid)
        return await self.store.get(cid)

    def put(self, folder: Path) -> Cid:
        """Add a folder."""

        async def add() -> Cid:
            importer = Importer(self.store.put_many, options=ImportOptions(hidden=True))
            return (await importer.path(str(folder), "")).cid

        return trio.run(add)

    def publish(self, folder: Folder) -> Cid:
        """Make UnixFS of what a guest made."""
        return trio.run(publish_folder, folder, self.store.put_many).cid


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of many files, which is sharded, beside a large file, a link and a folder."""
    root = tmp_path_factory.mktemp("tree")
    (root / "many").mkdir()
    for name in NAMES:
        (root / "many" / name).write_text(name)
    (root / "large").write_bytes(LARGE)
    (root / "link").symlink_to(f"many/{NAMES[7]}")
    (root / "other/inner").mkdir(parents=True)
    (root / "other/inner/deep").write_bytes(b"deep")
    return root


@pytest.fixture(scope="module")
def noting(on_disk: Path) -> Noting:
    return Noting(on_disk)


@pytest.fixture
def given(world: "Callable[..., World]", noting: Noting) -> "World":
    assert noting.root is not None
    nodes = NodeSource(noting, kept_bytes_max=2**20)
    here = world(trio.run(folder_origin, nodes, noting.root), written_max=2**30)
    noting.reads.clear()
    return here


def opened(here: "World", path: bytes, how: Opening) -> File:
    file = here.ask(lambda: here.tree.open(here.root, path, how))
    assert isinstance(file, File)
    return file


def test_a_tree_is_read_as_far_as_it_is_touched(given: "World", noting: Noting) -> None:
    file = opened(given, b"link", Opening())
    assert given.ask(lambda: file.read(5, 4)) == b"007."
    assert len(noting.reads) <= 6  # the root was read before; a shard or two, the leaf
    noting.reads.clear()
    large = opened(given, b"large", Opening())
    assert given.ask(lambda: large.read(2_000_000, 10)) == LARGE[2_000_000:2_000_010]
    assert len(noting.reads) == 2


def test_each_name_has_the_type_of_what_it_leads_to(given: "World") -> None:
    entries = {name: given.ask(partial(given.root.entry, name)) for name in names(given)}
    types = {name: entry[1] for name, entry in entries.items() if entry is not None}
    assert types == {
        b"large": REGULAR_FILE,
        b"link": SYMBOLIC_LINK,
        b"many": DIRECTORY,
        b"other": DIRECTORY,
    }


def many(number: int) -> bytes:
    return f"many/{NAMES[number]}".encode()


def names(here: "World") -> list[bytes]:
    return list(here.ask(here.root.names))


def test_a_tree_that_was_read_alone_keeps_its_cid(given: "World", noting: Noting) -> None:
    given.ask(lambda: given.tree.find(given.root, b"other/inner/deep", follow=True))
    noting.reads.clear()
    assert noting.publish(given.root) == noting.root
    assert noting.reads == []


def test_what_was_not_changed_is_not_read_when_the_rest_is_published(
    given: "World", noting: Noting, tmp_path: Path
) -> None:
    opened(given, b"new", Opening(create=True)).write(0, b"new")
    given.ask(lambda: given.tree.rename(given.root, b"large", given.root, b"moved"))
    given.ask(lambda: given.tree.rename(given.root, b"other/inner", given.root, b"inner"))
    noting.reads.clear()
    made = noting.publish(given.root)
    assert noting.reads == []  # the nodes of both folders were kept

    read = Files(noting.store)
    entries = {entry.name: entry for entry in trio.run(read.entries, made)}
    assert sorted(entries) == ["inner", "link", "many", "moved", "new", "other"]
    assert entries["other"].cid == noting.put(empty(tmp_path))
    assert trio.run(read.read, f"{made}/moved") == LARGE


def empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def test_a_change_in_a_sharded_folder_gives_the_cid_of_the_whole_folder_on_disk(
    given: "World", noting: Noting, tmp_path: Path
) -> None:
    here = given
    here.ask(lambda: here.tree.remove_file(here.root, many(9)))
    here.ask(lambda: here.tree.rename(here.root, many(10), here.root, b"many/.moved"))
    opened(here, many(11), Opening(write=True)).resize(4)
    large = opened(here, b"large", Opening(write=True))
    here.ask(lambda: large.write(1_048_570, b"across two leaves"))

    root = tmp_path / "root"
    (root / "many").mkdir(parents=True)
    for name in NAMES:
        (root / "many" / name).write_text(name)
    (root / "many" / NAMES[9]).unlink()
    (root / "many" / NAMES[10]).rename(root / "many/.moved")
    (root / "many" / NAMES[11]).write_text("file")
    (root / "large").write_bytes(LARGE[:1_048_570] + b"across two leaves" + LARGE[1_048_587:])
    (root / "link").symlink_to(f"many/{NAMES[7]}")
    (root / "other/inner").mkdir(parents=True)
    (root / "other/inner/deep").write_bytes(b"deep")
    assert noting.publish(here.root) == noting.put(root)


def test_a_file_with_two_names_is_published_under_both(
    world: "Callable[..., World]", tmp_path: Path
) -> None:
    here, noting = world({}), Noting()
    opened(here, b"a", Opening(create=True)).write(0, b"twice")
    here.ask(lambda: here.tree.add_name(here.root, b"a", here.root, b"b", follow=False))
    (tmp_path / "a").write_bytes(b"twice")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert noting.publish(here.root) == noting.put(tmp_path)


def test_folders_can_be_published_that_stand_in_each_other_as_deep_as_can_be_read(
    world: "Callable[..., World]",
) -> None:
    here, noting = world({}), Noting()
    folder = here.root
    for _ in range(TREE_DEPTH_MAX - 1):
        folder = below(here, folder)
    noting.publish(here.root)
    below(here, folder)
    with pytest.raises(LimitExceeded, match="TREE_DEPTH_MAX"):
        noting.publish(here.root)


def below(here: "World", folder: Folder) -> Folder:
    here.ask(lambda: here.tree.make_folder(folder, b"d"))
    node = folder.get(b"d")
    assert isinstance(node, Folder)
    return node


def test_output_that_comes_in_pieces_becomes_a_file(tmp_path: Path) -> None:
    noting = Noting()
    (tmp_path / "out").write_bytes(LARGE)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(LARGE), 70_000):
            await trio.lowlevel.checkpoint()
            yield LARGE[start : start + 70_000]

    async def both() -> None:
        written = await publish_file(pieces(), noting.store.put_many)
        assert written == await Importer(noting.store.put_many).path(str(tmp_path / "out"), "")

    trio.run(both)


def test_a_value_stands_in_a_folder_as_the_file_of_its_bytes(
    world: "Callable[..., World]",
) -> None:
    noting = Noting()
    value = Block.encode({"a": 1})
    links: list[Value] = [{"Hash": value.cid, "Name": "value", "Tsize": len(value.data)}]
    folder = Block.encode({"Data": b"\x08\x01", "Links": links}, codec=DAG_PB)
    trio.run(noting.store.put_many, [value, folder])
    here = world(trio.run(folder_origin, NodeSource(noting), folder.cid))
    assert names(here) == [b"value"]
    file = opened(here, b"value", Opening())
    assert here.ask(lambda: file.read(0, 100)) == value.data
    opened(here, b"more", Opening(create=True))
    made = noting.publish(here.root)
    assert [entry.cid for entry in trio.run(Files(noting).entries, made)][1] == value.cid


def test_a_block_that_is_missing_is_named_with_the_path_that_leads_to_it(
    world: "Callable[..., World]", noting: Noting
) -> None:
    assert noting.root is not None
    other = Memory()
    trio.run(other.put, trio.run(noting.store.get, noting.root))
    here = world(trio.run(folder_origin, NodeSource(other), noting.root, "/inputs"))
    with pytest.raises(NodeNotFound, match="/inputs/other"):
        opened(here, b"other/inner/deep", Opening())


def test_only_a_folder_is_given_as_a_folder(noting: Noting) -> None:
    block = Block.of(b"no folder", codec=RAW)
    trio.run(noting.store.put, block)
    with pytest.raises(InvalidNode, match="no folder"):
        trio.run(folder_origin, NodeSource(noting), block.cid)
