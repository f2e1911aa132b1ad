"""Every form of a file is read, in whatever order its blocks come; what is no file is refused."""

import itertools
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ipvm.errors import InvalidData, LimitExceeded
from ipvm.files import FileGathering, InvalidFile, file_blocks, unixfs
from ipvm.files.profiles import V1_2025
from ipvm.ipld import DAG_CBOR, DAG_JSON, DAG_PB, Block, Cid

Gathered = Callable[..., bytes]
MakeNode = Callable[..., Block]

RAW_TYPE, DIRECTORY, FILE, METADATA, SYMLINK, HAMT = range(6)


def raw(data: bytes) -> Block:
    return Block.of(data)


def test_what_kubo_wrote_first_is_read(
    vectors: Path, file_node: MakeNode, gathered: Gathered
) -> None:
    """A leaf wrapped in DAG-PB, under a CID of version 0."""
    found = json.loads((vectors / "unixfs" / "vectors.json").read_text())["vectors"]
    (vector,) = [each for each in found if each["p"] == "unixfs-v0-2015" and each["gen"] == "text"]
    block = file_node(b"hello world", file_bytes=11)
    cid = Cid(block.cid.digest, codec=DAG_PB, version=0)
    assert str(cid) == vector["cid"]
    assert gathered(cid, [Block(cid, block.data)]) == b"hello world"


def test_leaves_may_be_raw_or_wrapped_and_data_may_stand_beside_links(
    file_node: MakeNode, gathered: Gathered
) -> None:
    leaves = [raw(b"one "), file_node(b"two "), file_node(b"three ", kind=RAW_TYPE)]
    inner = file_node(b"before ", [leaf.cid for leaf in leaves])
    root = file_node(None, [inner.cid, leaves[0].cid, inner.cid])
    text = gathered(root.cid, [*leaves, inner, root])
    assert text == b"before one two three one before one two three "


def test_an_empty_file_is_read_in_every_form(file_node: MakeNode, gathered: Gathered) -> None:
    for block in (raw(b""), file_node(), file_node(b""), file_node(b"", file_bytes=0)):
        assert gathered(block.cid, [block]) == b""


def test_sizes_that_lie_change_nothing(file_node: MakeNode, gathered: Gathered) -> None:
    leaves = [raw(b"one"), raw(b"two")]
    children = [leaf.cid for leaf in leaves]
    for sizes, total in (([], None), ([3], 6), ([2**63, 2**63], 2**64 - 1), ([0, 0, 0, 0], 0)):
        root = file_node(None, children, sizes=sizes, file_bytes=total)
        assert gathered(root.cid, [*leaves, root]) == b"onetwo"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (DIRECTORY, "directory"),
        (METADATA, "metadata node"),
        (SYMLINK, "symlink"),
        (HAMT, "HAMT directory"),
        (6, "node of unknown type 6"),
        (2**64 - 1, "node of unknown type"),
    ],
)
def test_what_is_no_file_is_refused_by_its_name(
    file_node: MakeNode, gathered: Gathered, kind: int, name: str
) -> None:
    block = file_node(b"data", kind=kind)
    with pytest.raises(InvalidFile, match=f"is a UnixFS {name}.*, and a file was expected"):
        gathered(block.cid, [block])


def test_what_is_no_file_is_refused_inside_of_one(file_node: MakeNode, gathered: Gathered) -> None:
    folder = file_node(kind=DIRECTORY)
    root = file_node(b"begins ", [folder.cid])
    with pytest.raises(InvalidFile, match=str(folder.cid)):
        gathered(root.cid, [folder, root])


@pytest.mark.parametrize("codec", [DAG_CBOR, DAG_JSON])
def test_a_node_of_another_codec_is_no_part_of_a_file(gathered: Gathered, codec: int) -> None:
    block = Block.encode([1], codec=codec)
    with pytest.raises(InvalidFile, match="neither raw nor DAG-PB"):
        gathered(block.cid, [block])


def test_a_node_without_unixfs_data_is_refused(node_of: MakeNode, gathered: Gathered) -> None:
    block = node_of(None)
    with pytest.raises(InvalidFile, match="has no UnixFS data"):
        gathered(block.cid, [block])


@pytest.mark.parametrize(
    "meta",
    [
        b"",
        b"\x08",
        b"\x08\x80",
        b"\x08" + b"\xff" * 11,
        b"\x08\x02\x12",
        b"\x08\x02\x12\x05four",
        b"\x08\x02\x12\xff\xff\xff\xff\x0fx",
        b"\x08\x02\x1d\0\0\0\0",
        b"\x08\x02\x0b",
        b"\x12\x01x",
    ],
)
def test_garbage_in_place_of_unixfs_data_is_refused(
    node_of: MakeNode, gathered: Gathered, meta: bytes
) -> None:
    block = node_of(meta)
    with pytest.raises(InvalidFile):
        gathered(block.cid, [block])


def test_fields_that_are_not_known_are_skipped(node_of: MakeNode, gathered: Gathered) -> None:
    meta = b"\x08\x02\x38\xa4\x03\x42\x02\x08\x01\x12\x04data\xfa\x01\x00"
    block = node_of(meta)
    assert gathered(block.cid, [block]) == b"data"


def test_no_bytes_in_place_of_unixfs_data_or_of_a_node_escape() -> None:
    @given(st.binary(max_size=40), st.booleans())
    def check(data: bytes, whole: bool) -> None:  # noqa: FBT001
        node = data if whole else b"\x0a" + bytes([len(data)]) + data
        block = Block.of(node, codec=DAG_PB)
        gathering = FileGathering(block.cid)
        gathering.feed(block)
        try:
            content = gathering.content(bytes_max=100) if gathering.complete else b""
        except InvalidData:
            return
        assert content == b"" or content in data

    check()


def test_a_node_that_is_no_dag_pb_is_refused(gathered: Gathered) -> None:
    block = Block.of(b"\xff\xff", codec=DAG_PB)
    with pytest.raises(InvalidData, match="dag-pb"):
        gathered(block.cid, [block])


def test_the_order_of_feeding_does_not_show(file_node: MakeNode) -> None:
    narrow = replace(V1_2025, chunk_bytes=4, links_max=3)
    broken = file_node(kind=DIRECTORY)

    @given(st.binary(max_size=120), st.booleans(), st.randoms(use_true_random=False))
    def check(data: bytes, spoiled: bool, chance: random.Random) -> None:  # noqa: FBT001
        root, made = file_blocks(data, narrow)
        blocks = {block.cid: block for block in made}
        if spoiled:
            spoiled_root = file_node(b"", [broken.cid, root, broken.cid])
            root = spoiled_root.cid
            blocks |= {spoiled_root.cid: spoiled_root, broken.cid: broken}
        gathering = FileGathering(root)
        asked, ever = [root], {root}
        while asked:
            chance.shuffle(asked)
            news = gathering.feed(blocks[asked.pop()])
            assert ever.isdisjoint(news)
            ever.update(news)
            asked.extend(news)
            assert gathering.wanted == frozenset(asked)
        if spoiled:
            with pytest.raises(InvalidFile, match="directory"):
                gathering.content(bytes_max=1000)
        else:
            assert gathering.content(bytes_max=1000) == data

    check()


def test_a_file_may_be_as_long_as_the_bound_and_no_longer(
    file_node: MakeNode, gathered: Gathered
) -> None:
    leaf = raw(b"x" * 1000)
    root = file_node(b"y" * 24, [leaf.cid] * 10)
    assert len(gathered(root.cid, [leaf, root], bytes_max=10_024)) == 10_024
    with pytest.raises(LimitExceeded, match="module_bytes_max is 10023"):
        gathered(root.cid, [leaf, root], bytes_max=10_023)


@pytest.mark.parametrize("leaf", [b"", b"x"])
def test_links_that_multiply_are_bounded(
    file_node: MakeNode, gathered: Gathered, leaf: bytes
) -> None:
    """Twelve blocks that say a thousand to the twelfth bytes, or as many times nothing."""
    blocks = [raw(leaf)]
    for _ in range(12):
        blocks.append(file_node(None, [blocks[-1].cid] * 1000))
    with pytest.raises(LimitExceeded):
        gathered(blocks[-1].cid, blocks)


@pytest.fixture
def nodes_max(monkeypatch: pytest.MonkeyPatch) -> int:
    """Nodes that a file may have; fewer than usual, to be quick."""
    monkeypatch.setattr(unixfs, "NODES_MAX", 1000)
    return 1000


def test_the_nodes_of_a_file_are_counted_with_repetitions(
    file_node: MakeNode, gathered: Gathered, nodes_max: int
) -> None:
    leaf = raw(b"")
    root = file_node(None, [leaf.cid] * (nodes_max - 1))
    assert gathered(root.cid, [leaf, root]) == b""
    root = file_node(None, [leaf.cid] * nodes_max)
    with pytest.raises(LimitExceeded, match="unixfs_nodes is 1000"):
        gathered(root.cid, [leaf, root])


def test_more_nodes_than_a_file_has_are_not_even_asked_for(
    file_node: MakeNode, nodes_max: int
) -> None:
    def part(first: int) -> Block:
        numbers = range(first, first + 900)
        return file_node(None, [Cid.of(b"%d" % number, hash_code=0) for number in numbers])

    parts = [part(0), part(1000), part(2000)]
    root = file_node(None, [each.cid for each in parts])
    for order in itertools.permutations(parts):
        gathering = FileGathering(root.cid)
        asked = len(gathering.feed(root)) + sum(len(gathering.feed(each)) for each in order)
        assert asked < nodes_max
        with pytest.raises(LimitExceeded, match="unixfs_nodes"):
            gathering.content(bytes_max=2**30)


def test_a_chain_of_nodes_takes_no_stack(file_node: MakeNode, gathered: Gathered) -> None:
    blocks = [raw(b"the end")]
    for _ in range(5_000):
        blocks.append(file_node(None, [blocks[-1].cid]))
    assert gathered(blocks[-1].cid, blocks) == b"the end"
