"""The file system of a guest is held against a folder on disk, with the same steps on both."""

import errno
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st

from ipvm.files import NodeSource
from ipvm.files.adding import Importer, ImportOptions
from ipvm.host.wasi.errno import Errno, Failed
from ipvm.host.wasi.folder import Folder
from ipvm.host.wasi.nodes import File, Link
from ipvm.host.wasi.publishing import publish_folder
from ipvm.host.wasi.tree import Opening
from ipvm.host.wasi.unixfs import folder_origin
from ipvm.ipld import Cid
from ipvm.store import Memory

if TYPE_CHECKING:
    from tests.host.wasi.conftest import Entries, World

GIVEN: "Entries" = {
    "a": {"a": b"aa" * 9000, "b": {}, "c": {"a": b""}},
    "b": b"0123456789",
    "c": "a/c",
    "d": "../b",
    "e": "nowhere",
    "f": "f",
    "g": "a/",
}

parts = st.sampled_from([*"abcdeghf", *"aab", ".", "..", ""])
paths = st.lists(parts, min_size=1, max_size=4).map("/".join).filter(lambda p: p[:1] != "/")
sizes = st.sampled_from([0, 1, 5, 10, 16_383, 16_384, 16_385, 40_000])


@dataclass(frozen=True)
class Step:
    name: str
    path: str
    other: str
    offset: int
    size: int
    flags: tuple[bool, bool, bool, bool, bool]


steps = st.builds(
    Step,
    st.sampled_from(
        [
            "write",
            "write",
            "mkdir",
            "rmdir",
            "unlink",
            "symlink",
            "link",
            "rename",
            "rename",
            "stat",
        ]
    ),
    paths,
    paths,
    sizes,
    sizes,
    st.tuples(*[st.booleans()] * 5),
)


def ours(world: "World", step: Step) -> object:
    tree, root = world.tree, world.root
    path, other = step.path.encode(), step.other.encode()
    actions: dict[str, Callable[[], object]] = {
        "write": lambda: write(world, step),
        "mkdir": lambda: tree.make_folder(root, path),
        "rmdir": lambda: tree.remove_folder(root, path),
        "unlink": lambda: tree.remove_file(root, path),
        "symlink": lambda: tree.make_link(other, root, path),
        "link": lambda: tree.add_name(root, path, root, other, follow=step.flags[0]),
        "rename": lambda: tree.rename(root, path, root, other),
        "stat": lambda: stat(world, step),
    }
    return world.ask(actions[step.name])


def write(world: "World", step: Step) -> int | None:
    follow, create, exclusive, truncate, resize = step.flags
    how = Opening(
        follow=follow, create=create, exclusive=exclusive and create, truncate=truncate, write=True
    )
    file = world.tree.open(world.root, step.path.encode(), how)
    assert isinstance(file, File)
    if resize:
        file.resize(step.size)
    else:
        file.write(step.offset, b"w" * step.size)
    return file.size


def stat(world: "World", step: Step) -> tuple[str, int]:
    node = world.tree.find(world.root, step.path.encode(), follow=step.flags[0])
    return type(node).__name__, 0 if isinstance(node, Folder) else node.size


def theirs(root: Path, step: Step) -> object:
    path, other, follow = step.path, step.other, step.flags[0]
    here = os.open(root, os.O_RDONLY)
    actions: dict[str, Callable[[], object]] = {
        "write": lambda: disk_write(here, step),
        "mkdir": lambda: os.mkdir(path, dir_fd=here),
        "rmdir": lambda: os.rmdir(path, dir_fd=here),
        "unlink": lambda: os.unlink(path, dir_fd=here),
        "symlink": lambda: os.symlink(other, path, dir_fd=here),
        "link": lambda: os.link(
            path, other, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=follow
        ),
        "rename": lambda: os.rename(path, other, src_dir_fd=here, dst_dir_fd=here),
        "stat": lambda: disk_stat(os.stat(path, dir_fd=here, follow_symlinks=follow)),
    }
    try:
        return actions[step.name]()
    finally:
        os.close(here)


def disk_stat(found: os.stat_result) -> tuple[str, int]:
    kind = {4: "Folder", 8: "File", 10: "Link"}[found.st_mode >> 12]
    return kind, 0 if kind == "Folder" else found.st_size


def disk_write(here: int, step: Step) -> int:
    follow, create, exclusive, truncate, resize = step.flags
    flags = os.O_WRONLY | (0 if follow else os.O_NOFOLLOW) | (os.O_CREAT if create else 0)
    flags |= (os.O_EXCL if exclusive and create else 0) | (os.O_TRUNC if truncate else 0)
    file = os.open(step.path, flags, dir_fd=here)
    try:
        if resize:
            os.ftruncate(file, step.size)
        else:
            os.pwrite(file, b"w" * step.size, step.offset)
        return os.fstat(file).st_size
    finally:
        os.close(file)


def put_on_disk(entries: "Entries", folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, entry in entries.items():
        if isinstance(entry, dict):
            put_on_disk(entry, folder / name)
        elif isinstance(entry, bytes):
            (folder / name).write_bytes(entry)
        else:
            os.symlink(entry, folder / name)  # noqa: PTH211 - a Path drops a slash at the end


def on_disk(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            found[path.name] = os.readlink(path)  # noqa: PTH115 - likewise
        elif path.is_dir():
            found[path.name] = on_disk(path)
        else:
            found[path.name] = (path.read_bytes(), path.stat().st_nlink)
    return found


def in_world(world: "World", folder: Folder) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in world.ask(folder.names):
        node = world.ask(partial(folder.get, name))
        assert node is not None
        assert folder.entry(name) == (node.ino, node.type)
        if isinstance(node, Link):
            found[name.decode()] = node.target.decode()
        elif isinstance(node, Folder):
            found[name.decode()] = in_world(world, node)
        else:
            data = world.ask(partial(node.read, 0, 10**6))
            found[name.decode()] = (data, node.links)
    return found


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=12))
def test_the_same_steps_lead_to_the_same_answers_and_the_same_tree(
    world: "Callable[..., World]", taken: list[Step]
) -> None:
    with tempfile.TemporaryDirectory() as above:
        root = Path(above) / "x/x/x/x" / "root"
        put_on_disk(GIVEN, root)
        here = world(GIVEN)
        try:
            compare(here, root, taken)
        finally:
            here.ledger.close()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=12))
def test_what_a_guest_made_of_a_tree_has_the_cid_of_the_same_tree_on_disk(
    world: "Callable[..., World]", taken: list[Step]
) -> None:
    store = Memory()
    with tempfile.TemporaryDirectory() as above:
        root = Path(above) / "x/x/x/x" / "root"
        put_on_disk(GIVEN, root)
        before = trio.run(added, root, store)
        here = world(trio.run(folder_origin, NodeSource(store), before))
        try:
            assert trio.run(publish_folder, here.root, store.put_many).cid == before
            compare(here, root, taken)
            made = trio.run(publish_folder, here.root, store.put_many)
            assert made.cid == trio.run(added, root, store)
        finally:
            here.ledger.close()


async def added(folder: Path, store: Memory) -> Cid:
    """Add a folder as `ipvm add --hidden` does."""
    importer = Importer(store.put_many, options=ImportOptions(hidden=True))
    return (await importer.path(str(folder), "")).cid


def compare(here: "World", root: Path, taken: list[Step]) -> None:
    for step in taken:
        try:
            answer: object = ours(here, step)
        except Failed as failed:
            if failed.errno == Errno.PERM:  # it would lead out; on disk, it does
                continue
            answer = failed.errno.name
        try:
            expected: object = theirs(root, step)
        except OSError as error:
            expected = errno.errorcode[error.errno or 0][1:]
        assert (step, answer) == (step, expected)
    assert in_world(here, here.root) == on_disk(root)


def test_what_is_removed_counts_no_more(world: "Callable[..., World]") -> None:
    here = world({})
    for _ in range(3):
        file = here.ask(lambda: here.tree.open(here.root, b"x", Opening(create=True)))
        assert isinstance(file, File)
        file.write(0, bytes(10**6))
        here.ask(lambda: here.tree.make_link(b"x", here.root, b"y"))
        here.ask(lambda: here.tree.rename(here.root, b"y", here.root, b"z"))
        here.ask(lambda: here.tree.remove_file(here.root, b"x"))
        here.ask(lambda: here.tree.remove_file(here.root, b"z"))
        assert here.ledger.charged == 0
    here.ledger.close()


@pytest.mark.parametrize("path", [b"/", b"/a", b"..", b"a/../..", b"c/../../.."])
def test_no_path_leads_out(world: "Callable[..., World]", path: bytes) -> None:
    here = world(GIVEN)
    with pytest.raises(Failed) as failed:
        here.ask(lambda: here.tree.find(here.root, path, follow=True))
    assert failed.value.errno == Errno.PERM
