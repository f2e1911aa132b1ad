"""Given trees are read as far as they are touched, and what is written over them is bounded."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, final

import pytest

from ipvm.errors import InvalidData, LimitExceeded
from ipvm.host.wasi.errno import Errno, Failed
from ipvm.host.wasi.folder import Folder
from ipvm.host.wasi.nodes import File
from ipvm.host.wasi.origin import GivenFolder
from ipvm.host.wasi.tree import Opening

if TYPE_CHECKING:
    from tests.host.wasi.conftest import World

GIB = 2**30


@final
class Endless:
    """A file of 10 GiB that notes what is read of it, and can have fewer bytes than it says."""

    size = 10 * GIB

    def __init__(self, *, lies: bool = False) -> None:
        self.reads: list[tuple[int, int]] = []
        self.lies = lies

    async def read(self, offset: int, size: int) -> bytes:
        self.reads.append((offset, size))
        return bytes(size - self.lies)


def over(world: "Callable[..., World]", file: Endless) -> "tuple[World, File]":
    here = world({})
    here.root = here.nodes.root(b"/", GivenFolder({b"f": file}), read_only=False)
    node = here.ask(lambda: here.tree.find(here.root, b"f", follow=True))
    assert isinstance(node, File)
    return here, node


def test_a_read_in_the_middle_touches_little(world: "Callable[..., World]") -> None:
    file = Endless()
    here, node = over(world, file)
    assert here.ask(lambda: node.read(7 * GIB + 5, 65_536)) == bytes(65_536)
    assert sum(size for _, size in file.reads) <= 512 * 1024


def test_what_is_read_in_order_is_fetched_once(world: "Callable[..., World]") -> None:
    file = Endless()
    here, node = over(world, file)
    for offset in range(0, 4 * 2**20, 4096):
        here.ask(partial(node.read, offset, 4096))
    assert file.reads == [(start, 2**18) for start in range(0, 4 * 2**20, 2**18)]


def test_a_byte_changed_in_a_large_file_counts_one_page(world: "Callable[..., World]") -> None:
    here, node = over(world, Endless())
    here.ask(lambda: node.write(5 * GIB, b"x"))
    assert here.ledger.charged == 16_384 + 513  # that the file was changed is noted, too
    assert here.ask(lambda: node.read(5 * GIB - 1, 3)) == b"\0x\0"


def test_a_file_that_ends_before_its_size_is_an_error(world: "Callable[..., World]") -> None:
    here, node = over(world, Endless(lies=True))
    with pytest.raises(InvalidData, match="ends early"):
        here.ask(lambda: node.read(0, 10))


def test_what_does_not_fit_into_memory_is_kept_on_disk(world: "Callable[..., World]") -> None:
    here = world({})  # with 256 KiB of memory for pages
    file = here.ask(lambda: here.tree.open(here.root, b"f", Opening(create=True)))
    assert isinstance(file, File)
    data = bytes(range(256)) * 8192
    for offset in range(0, len(data), 100_000):
        file.write(offset, data[offset : offset + 100_000])
    assert here.ledger.is_spilled
    file.write(123_456, b"changed")
    expected = data[:123_456] + b"changed" + data[123_463:]
    assert b"".join(file.read(at, 2**20) for at in (0, 2**20)) == expected
    here.ledger.close()


def test_a_hole_counts_as_what_it_would_take(world: "Callable[..., World]") -> None:
    here = world({}, written_max=10_000)
    file = here.ask(lambda: here.tree.open(here.root, b"f", Opening(create=True)))
    assert isinstance(file, File)
    with pytest.raises(LimitExceeded):
        file.resize(2**62)
    assert file.size == 0


def test_an_inode_is_the_same_however_it_is_met(world: "Callable[..., World]") -> None:
    entries = {name: name.encode() for name in "abc"}
    one, other = world(entries), world(entries)
    listed = {name: one.root.entry(name) for name in one.ask(one.root.names)}
    for name in (b"c", b"a", b"b"):
        node = other.ask(partial(other.tree.find, other.root, name, follow=True))
        assert listed[name] == (node.ino, node.type)


def test_a_tree_for_reading_alone_is_not_changed(world: "Callable[..., World]") -> None:
    here = world({"a": b"a", "d": {"e": b""}, "l": "a"}, read_only=True)
    tree, root = here.tree, here.root
    attempts: list[Callable[[], object]] = [
        lambda: tree.open(root, b"a", Opening(write=True)),
        lambda: tree.open(root, b"a", Opening(truncate=True)),
        lambda: tree.open(root, b"new", Opening(create=True)),
        lambda: tree.make_folder(root, b"new"),
        lambda: tree.make_link(b"a", root, b"new"),
        lambda: tree.add_name(root, b"a", root, b"new", follow=False),
        lambda: tree.remove_file(root, b"a"),
        lambda: tree.rename(root, b"d/e", root, b"a"),
    ]
    for attempt in attempts:
        with pytest.raises(Failed) as failed:
            here.ask(attempt)
        assert failed.value.errno == Errno.ROFS


def test_a_list_that_was_begun_goes_on_without_what_was_removed(
    world: "Callable[..., World]",
) -> None:
    here = world({"a": b"", "b": b""})
    folder: Folder = here.root
    here.ask(lambda: here.tree.make_folder(folder, b"c"))
    names = here.ask(folder.names)
    here.ask(lambda: here.tree.remove_file(folder, b"a"))
    here.ask(lambda: here.tree.remove_folder(folder, b"c"))
    assert [folder.entry(name) is None for name in names] == [True, False, True]
