"""Read trees of any shape, whole and in ranges, and trees that others wrote."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import hypothesis.strategies as st
import pytest
import trio
from hypothesis import given

from ipvm.errors import InvalidData, LimitExceeded, NotFound
from ipvm.exchange import BlockService, StoreSource
from ipvm.files import Files, InvalidNode, NodeNotFound, Pieces, SymlinkLeavesTree
from ipvm.files.decoding import FileNode, ValueNode
from ipvm.ipld import CODECS, DAG_CBOR, DAG_PB, Block, BlockNotFound, Cid, decode
from ipvm.ipld.varint import read as read_varint, write as varint
from ipvm.limits import FILE_DEPTH_MAX, SYMLINKS_FOLLOWED_MAX, TREE_DEPTH_MAX
from ipvm.store.memory import Memory

DIRECTORY, FILE, METADATA, SYMLINK, HAMT = range(1, 6)


def pb(message: bytes, links: Iterable[tuple[str, Cid]] = ()) -> Block:
    """A node with any UnixFS message, and links in the given order."""
    data = b""
    for name, cid in links:
        link = b"\x0a" + varint(len(bytes(cid))) + bytes(cid)
        link += b"\x12" + varint(len(name.encode())) + name.encode() + b"\x18\x01"
        data += b"\x12" + varint(len(link)) + link
    return Block.of(data + b"\x0a" + varint(len(message)) + message, codec=DAG_PB)


def file_message(data: bytes, sizes: Sequence[int], total: int | None = None) -> bytes:
    size = len(data) + sum(sizes) if total is None else total
    inline = b"\x12" + varint(len(data)) + data if data else b""
    parts = b"".join(b"\x20" + varint(each) for each in sizes)
    return b"\x08\x02" + inline + b"\x18" + varint(size) + parts


def folder(**entries: Block) -> Block:
    return pb(b"\x08\x01", [(name, block.cid) for name, block in sorted(entries.items())])


def symlink(target: str) -> Block:
    return pb(b"\x08\x04\x12" + varint(len(target.encode())) + target.encode())


def shard(
    slots: dict[int, tuple[str, Block]], *, fanout: int = 256, hash_type: int = 0x22
) -> Block:
    bits = sum(1 << slot for slot in slots)
    field = bits.to_bytes((bits.bit_length() + 7) // 8)
    message = b"\x08\x05\x12" + varint(len(field)) + field
    message += b"\x28" + varint(hash_type) + b"\x30" + varint(fanout)
    return pb(message, [(f"{slot:02X}{name}", block.cid) for slot, (name, block) in slots.items()])


@dataclass(frozen=True)
class Tree:
    """A file of some shape: its root, all blocks, and its bytes."""

    root: Block
    blocks: tuple[Block, ...]
    content: bytes


def leaf(data: bytes, kind: str) -> Tree:
    block = Block.of(data) if kind == "raw" else pb(file_message(data, ()))
    return Tree(block, (block,), data)


def parent(data: bytes, children: list[Tree]) -> Tree:
    sizes = [len(child.content) for child in children]
    block = pb(file_message(data, sizes), [("", child.root.cid) for child in children])
    below = tuple(each for child in children for each in child.blocks)
    return Tree(block, (block, *below), data + b"".join(child.content for child in children))


LEAVES = st.builds(leaf, st.binary(max_size=20), st.sampled_from(["raw", "wrapped"]))
TREES = st.recursive(
    LEAVES, lambda below: st.builds(parent, st.binary(max_size=5), st.lists(below, max_size=5))
)


async def files_of(*blocks: Block) -> Files:
    store = Memory()
    await store.put_many(blocks)
    return Files(BlockService(store, StoreSource(Memory())))


async def gather(pieces: Pieces, found: bytearray) -> None:
    async for piece in pieces:
        found += piece


@given(TREES, st.integers(0, 120), st.none() | st.integers(0, 120))
def test_a_range_is_the_slice_of_the_whole(tree: Tree, offset: int, length: int | None) -> None:
    async def read() -> tuple[bytes, bytes]:
        files = await files_of(*tree.blocks)
        return await files.read(tree.root.cid), await files.read(tree.root.cid, offset, length)

    whole, part = trio.run(read)
    assert whole == tree.content
    assert part == tree.content[offset : None if length is None else offset + length]


async def test_a_range_touches_only_the_blocks_on_its_way() -> None:
    leaves = [leaf(bytes([number]) * 10, "raw") for number in range(30)]
    inner = [parent(b"", leaves[start : start + 10]) for start in range(0, 30, 10)]
    tree = parent(b"", inner)
    files = await files_of(tree.root, inner[1].root, leaves[14].root)
    assert await files.read(tree.root.cid, 142, 6) == bytes([14]) * 6


async def test_a_missing_part_is_named_after_all_before_it_was_given() -> None:
    leaves = [leaf(bytes([number]) * 10, "raw") for number in range(8)]
    tree = parent(b"", leaves)
    top = folder(data=tree.root)
    lost = leaves[5].root
    files = await files_of(top, *(block for block in tree.blocks if block != lost))
    found = bytearray()
    file = await files.open(f"{top.cid}/data")
    with pytest.raises(NodeNotFound) as caught:
        await gather(file.pieces(), found)
    assert found == tree.content[:50]
    assert isinstance(caught.value, BlockNotFound)
    assert (caught.value.cid, caught.value.path) == (lost.cid, f"{top.cid}/data")
    assert str(caught.value).startswith(f"{top.cid}/data: no block {lost.cid}")


@pytest.mark.parametrize(
    ("sizes", "total"),
    [([3, 4], 7), ([3, 2], 5), ([3, 3], 7), ([3], 3), ([3, 3, 3], 9), ([], 6), ([2**63, 3], None)],
)
async def test_sizes_that_lie_are_refused(sizes: list[int], total: int | None) -> None:
    leaves = [Block.of(b"one"), Block.of(b"two")]
    root = pb(file_message(b"", sizes, total), [("", each.cid) for each in leaves])
    files = await files_of(root, *leaves)
    with pytest.raises(InvalidNode, match=str(root.cid)):
        await files.read(root.cid)


async def test_a_file_is_not_followed_deeper_than_the_bound() -> None:
    tree = leaf(b"deep", "raw")
    for _ in range(FILE_DEPTH_MAX):
        tree = parent(b"", [tree])
    files = await files_of(*tree.blocks, parent(b"", [tree]).root)
    assert await files.read(tree.root.cid) == b"deep"
    with pytest.raises(LimitExceeded, match="FILE_DEPTH_MAX"):
        await files.read(parent(b"", [tree]).root.cid)


async def test_a_file_that_repeats_itself_reads_anywhere_up_to_the_largest_size() -> None:
    """Seven blocks that say 2**60 bytes; one more says more than a file may have."""
    tree, size = Block.of(b"0123456789abcdef" * 64), 1024
    blocks = [tree]
    while size < 2**60:
        tree = pb(file_message(b"", [size] * 1024), [("", tree.cid)] * 1024)
        blocks.append(tree)
        size *= 1024
    files = await files_of(*blocks)
    for offset in (0, 2**59 + 7, 2**60 - 20):
        expected = bytes(b"0123456789abcdef"[n % 16] for n in range(offset, offset + 20))
        assert await files.read(tree.cid, offset, 20) == expected
    assert await files.read(tree.cid, 2**60) == b""
    beyond = pb(file_message(b"", [size] * 8), [("", tree.cid)] * 8)
    with pytest.raises(InvalidNode, match="a file has at most"):
        await (await files_of(beyond)).stat(beyond.cid)


async def test_a_part_that_claims_to_hold_its_parent_is_refused() -> None:
    inner = pb(file_message(b"", [100]), [("", Block.of(b"short").cid)])
    root = pb(file_message(b"", [100]), [("", inner.cid)])
    files = await files_of(root, inner, Block.of(b"short"))
    with pytest.raises(InvalidNode, match="has 5 bytes, and its parent says 100"):
        await files.read(root.cid, 50, 10)


async def test_a_part_without_bytes_is_not_fetched() -> None:
    absent = Block.of(b"absent")
    root = pb(file_message(b"here", [0] * 1000), [("", absent.cid)] * 1000)
    assert await (await files_of(root)).read(root.cid) == b"here"


async def test_parts_may_be_in_the_cids_themselves() -> None:
    inside = Block.of(b"inside", hash_code=0)
    root = pb(file_message(b"", [6]), [("", inside.cid)])
    assert await (await files_of(root)).read(root.cid) == b"inside"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a\0b", "x" * 1025])
async def test_a_folder_with_an_impossible_name_is_refused(name: str) -> None:
    block = Block.of(b"x")
    hidden = shard({5: (name or "..", block)})
    for root in (pb(b"\x08\x01", [(name, block.cid)]), hidden):
        files = await files_of(root, block)
        with pytest.raises(InvalidNode, match=str(root.cid)):
            await files.entries(root.cid)


async def test_a_folder_with_a_name_twice_is_refused() -> None:
    block = Block.of(b"x")
    root = pb(b"\x08\x01", [("a", block.cid), ("b", block.cid), ("a", block.cid)])
    with pytest.raises(InvalidNode, match="two entries of a folder have the name 'a'"):
        await (await files_of(root)).entries(root.cid)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff",
        b"\x08",
        b"\x08\x07",
        b"\x08\x03",
        b"\x08\x02\x08\x02",
        b"\x0a\x01\x02",
        b"\x08\x02\x12\x7f",
        b"\x08\x01\x0b",
        b"\x00\x00",
        b"\x08\x02\x18" + b"\x80" * 11,
        b"\x08\x02\x42\x07\x08\x00\x15\xff\xff\xff\xff",
        b"\x08\x02\x38\xff\xff\xff\xff\x7f",
        b"\x08\x04",
        b"\x08\x04\x12\x02a\0",
    ],
)
async def test_garbage_is_refused(message: bytes) -> None:
    root = pb(message)
    with pytest.raises(InvalidNode, match=str(root.cid)):
        await (await files_of(root)).stat(root.cid, follow=False)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_node_or_refused(data: bytes) -> None:
    async def stat(root: Block) -> None:
        files = await files_of(root)
        try:
            await files.stat(root.cid, follow=False)
        except InvalidNode:
            return

    trio.run(stat, Block.of(data, codec=DAG_PB))
    trio.run(stat, pb(data))


@pytest.mark.parametrize(
    "root",
    [
        shard({}, fanout=0),
        shard({}, fanout=7),
        shard({}, fanout=100),
        shard({}, fanout=2048),
        shard({}, hash_type=0x12),
        pb(b"\x08\x05\x12\x01\x01\x28\x22\x30\x80\x02"),
        shard({300: ("a", Block.of(b""))}),
        pb(b"\x08\x05\x12\x01\x03\x28\x22\x30\x80\x02", [("00a", Block.of(b"").cid)] * 2),
        pb(b"\x08\x05\x12\x01\x01\x28\x22\x30\x80\x02", [("zza", Block.of(b"").cid)]),
    ],
)
async def test_a_shard_that_is_malformed_is_refused(root: Block) -> None:
    with pytest.raises(InvalidNode, match=str(root.cid)):
        await (await files_of(root)).entries(root.cid)


async def test_a_shard_below_of_another_kind_is_refused() -> None:
    for below in (
        Block.of(b"x"),
        folder(),
        shard({}, fanout=512),
        shard({1: ("a", Block.of(b""))}),
    ):
        root = shard({7: ("", below)})
        with pytest.raises(InvalidNode, match=f"{root.cid}: .*{below.cid}"):
            await (await files_of(root, below)).entries(root.cid)


async def test_shards_deeper_than_the_hash_are_refused() -> None:
    blocks = [shard({0: ("a", Block.of(b""))})]
    for _ in range(8):
        blocks.append(shard({0: ("", blocks[-1])}))
    with pytest.raises(InvalidNode, match="deeper than a hash has bits"):
        await (await files_of(*blocks)).entries(blocks[-1].cid)


async def test_paths_lead_through_folders_symlinks_and_values() -> None:
    file = Block.of(b"content")
    inner = folder(file=file, up=symlink("../value/list/1"), here=symlink("./file"))
    value = Block.encode({"list": [1, inner.cid]}, codec=DAG_CBOR)
    root = folder(inner=inner, value=value, way=symlink("inner//here"), loop=symlink("loop"))
    files = await files_of(
        file,
        inner,
        value,
        root,
        *map(symlink, ("../value/list/1", "./file", "inner//here", "loop")),
    )
    for path in ("inner/file", "value/list/1/file", "inner/up/file", "way", "inner/here/"):
        for scheme in ("", "/ipfs/", "ipfs://"):
            assert await files.read(f"{scheme}{root.cid}/{path}") == b"content"
    assert (await files.stat(f"{root.cid}/way", follow=False)).kind == "symlink"
    assert (await files.stat(f"{root.cid}/value/list")).kind == "value"
    for absent in ("nothing", "inner/file/x", "value/list/2", "value/x", "value/list/x"):
        with pytest.raises(NotFound, match=absent.rpartition("/")[2]):
            await files.resolve(f"{root.cid}/{absent}")
    with pytest.raises(LimitExceeded) as caught:
        await files.resolve(f"{root.cid}/loop")
    assert caught.value.maximum == SYMLINKS_FOLLOWED_MAX


@pytest.mark.parametrize("target", ["..", "../x", "a/../../x", "/etc/passwd", "../../../../x"])
async def test_a_symlink_is_not_followed_out_of_the_tree(target: str) -> None:
    root = folder(a=folder(), link=symlink(target))
    files = await files_of(root, folder(), symlink(target))
    with pytest.raises(SymlinkLeavesTree):
        await files.resolve(f"{root.cid}/link")


@pytest.mark.parametrize("path", ["", "x", "{}//a", "{}/../a", "{}/./a", "{}/" + "a" * 5000])
async def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidData):
        await (await files_of()).resolve(path.format(Block.of(b"").cid))


async def test_a_walk_gives_everything_and_stops_at_the_bound() -> None:
    tree, blocks = folder(), [folder()]
    for _ in range(TREE_DEPTH_MAX):
        tree = folder(a=tree)
        blocks.append(tree)
    files = await files_of(*blocks)
    places = [place.path async for place in await files.walk(blocks[2].cid)]
    assert places == [f"{blocks[2].cid}{below}" for below in ("", "/a", "/a/a")]
    with pytest.raises(LimitExceeded, match="TREE_DEPTH_MAX"):
        async for _ in await files.walk(tree.cid):
            pass


async def test_mode_and_time_are_told() -> None:
    moment = b"\x08" + varint(2**64 - 2) + b"\x15" + (5).to_bytes(4, "little")
    root = pb(b"\x08\x02\x12\x01x\x38" + varint(0o644) + b"\x42" + varint(len(moment)) + moment)
    found = await (await files_of(root)).stat(root.cid)
    assert (found.kind, found.size, found.mode) == ("file", 1, 0o644)
    assert found.mtime_nanoseconds == -2_000_000_000 + 5


def car_blocks(data: bytes) -> Iterator[tuple[Cid | None, bytes]]:
    """The header of a CAR, and its blocks."""
    at, cid = 0, None
    while at < len(data):
        size, at = read_varint(data, at)
        section, at = data[at : at + size], at + size
        if cid is None:
            cid = Cid.of(b"")
            yield None, section
            continue
        cid, start = Cid.read(section)
        yield cid, section[start:]


async def test_every_tree_of_the_gateway_suite_reads_back(vectors: Path) -> None:
    """On purpose, one CAR lacks blocks, two have an entry named `../file`, some are no trees."""
    cars = sorted((vectors / "gateway").rglob("*.car"))
    assert len(cars) > 20
    read, refused = 0, dict[str, str]()
    for car in cars:
        store = Memory()
        roots: list[Cid] = []
        for cid, data in car_blocks(car.read_bytes()):
            if cid is None:
                header = decode(data, DAG_CBOR)
                assert isinstance(header, dict)
                listed = header["roots"]
                assert isinstance(listed, list)
                roots = [each for each in listed if isinstance(each, Cid)]
            else:
                await store.put(Block(cid, data))
        files = Files(BlockService(store, StoreSource(Memory())))
        for root in roots:
            if root.codec not in CODECS.values():
                with pytest.raises(InvalidNode, match="codec that is not known"):
                    await files.stat(root)
                continue
            try:
                read += await read_all(files, root)
            except (NodeNotFound, InvalidNode) as error:
                refused[car.name] = str(error)
    assert read > 1000
    assert refused.keys() == {
        "file-3k-and-3-blocks-missing-block.car",
        "inside-root.car",
        "outside-root.car",
    }
    assert "no block" in refused.pop("file-3k-and-3-blocks-missing-block.car")
    assert all("is no name for an entry" in reason for reason in refused.values())


async def read_all(files: Files, root: Cid) -> int:
    """Read every file below a root, whole and in two halves, and look each name up."""
    count = 0
    async for place in await files.walk(root):
        count += 1
        if isinstance(place.node, FileNode):
            whole = await files.read(place)
            middle = len(whole) // 2
            assert await files.read(place, 0, middle) + await files.read(place, middle) == whole
        elif not isinstance(place.node, ValueNode) and hasattr(place.node, "slots"):
            for entry in await files.entries(place):
                found = await files.child(place, entry.name)
                assert found is not None
                assert found.node.cid == entry.cid
            assert await files.child(place, "no such name") is None
    return count
