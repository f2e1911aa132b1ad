"""Files to write and to take apart, and the nodes that they are made of."""

from collections.abc import Callable, Iterable, Sequence

import pytest

from ipvm.files import FileGathering
from ipvm.ipld import DAG_PB, Block, Cid, Value
from ipvm.ipld.varint import write as varint

RAW_TYPE, DIRECTORY, FILE, METADATA, SYMLINK, HAMT = range(6)


def file_node(
    data: bytes | None = None,
    children: Sequence[Cid] = (),
    *,
    kind: int = FILE,
    sizes: Sequence[int] = (),
    file_bytes: int | None = None,
) -> Block:
    """A node of a UnixFS file, or of something else; the sizes may be anything."""
    meta = b"\x08" + varint(kind)
    if data is not None:
        meta += b"\x12" + varint(len(data)) + data
    if file_bytes is not None:
        meta += b"\x18" + varint(file_bytes)
    meta += b"".join(b"\x20" + varint(size) for size in sizes)
    return node_of(meta, children)


def node_of(meta: bytes | None, children: Sequence[Cid] = ()) -> Block:
    """A DAG-PB node with any bytes as its data."""
    links: list[Value] = [{"Hash": child, "Name": "", "Tsize": 1} for child in children]
    node: dict[str, Value] = {"Links": links}
    return Block.encode(node if meta is None else {"Data": meta, **node}, codec=DAG_PB)


def gathered(root: Cid, blocks: Iterable[Block], *, bytes_max: int = 2**30) -> bytes:
    """Feed a gathering what it asks for, the latest first, and give the content."""
    known = {block.cid: block for block in blocks}
    gathering = FileGathering(root)
    asked = [root]
    while asked:
        asked.extend(gathering.feed(known[asked.pop()]))
    assert gathering.complete
    return gathering.content(bytes_max=bytes_max)


@pytest.fixture(name="file_node")
def file_node_fixture() -> Callable[..., Block]:
    """Makes a node of a file; see `file_node`."""
    return file_node


@pytest.fixture(name="node_of")
def node_of_fixture() -> Callable[..., Block]:
    """Makes a DAG-PB node; see `node_of`."""
    return node_of


@pytest.fixture(name="gathered")
def gathered_fixture() -> Callable[..., bytes]:
    """Puts a file together; see `gathered`."""
    return gathered
