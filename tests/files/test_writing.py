"""A file is cut as `ipfs add` cuts it, so that its CID is the one that everybody gives it."""

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ipvm.exchange import BlockService, Offline
from ipvm.files import Files, file_blocks
from ipvm.files.balanced import small_file
from ipvm.files.directory import directory, entry
from ipvm.files.nodes import NO_METADATA, Link, symlink
from ipvm.files.profiles import PROFILES, V1_2025, ImportProfile
from ipvm.ipld import DAG_PB, RAW, Cid
from ipvm.store import Memory

Gathered = Callable[..., bytes]
Vector = dict[str, Any]

CHUNK_BYTES = V1_2025.chunk_bytes
NARROW = replace(V1_2025, chunk_bytes=4, links_max=3)
BLOCK_BYTES, TOGETHER, MASK = 64, 16_384, 0xFFFFFFFF


def chacha20(seed: str, size: int) -> bytes:
    """The keystream of ChaCha20 with the hash of the seed as its key, and zeros as its nonce."""
    key = struct.unpack("<8I", hashlib.sha256(seed.encode()).digest())
    starts = range(0, -(-size // BLOCK_BYTES), TOGETHER)
    return b"".join(keystream(key, start) for start in starts)[:size]


def keystream(key: tuple[int, ...], first: int) -> bytes:
    """Many blocks of the keystream at once.

    One integer holds a word of the state of each block, 64 bits apart.
    """
    ones = int.from_bytes(b"\1\0\0\0\0\0\0\0" * TOGETHER, "little")
    mask = ones * MASK
    counters = struct.pack(f"<{TOGETHER}Q", *range(first, first + TOGETHER))
    constants = struct.unpack("<4I", b"expand 32-byte k")
    start = [ones * word for word in (*constants, *key, 0, 0, 0, 0)]
    start[12] = int.from_bytes(counters, "little")
    words = list(start)

    def mix(a: int, b: int, c: int, d: int) -> None:
        for into, by, turned, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            words[into] = (words[into] + words[by]) & mask
            crossed = words[turned] ^ words[into]
            words[turned] = (crossed << bits & mask) | (crossed >> (32 - bits) & mask)

    for _ in range(10):
        for column in range(4):
            mix(column, column + 4, column + 8, column + 12)
        for row in range(4):
            mix(row, (row + 1) % 4 + 4, (row + 2) % 4 + 8, (row + 3) % 4 + 12)
    stream = bytearray(TOGETHER * BLOCK_BYTES)
    for index, (word, before) in enumerate(zip(words, start, strict=True)):
        lanes = (word + before & mask).to_bytes(8 * TOGETHER, "little")
        for byte in range(4):
            stream[index * 4 + byte :: BLOCK_BYTES] = lanes[byte::8]
    return bytes(stream)


LETTERS = "abcdefghijklmnopqrstuvwxyz01234567890-_"
LONG_NAME = (
    "long name to fill out bytes to make the sharded directory test flip over the sharded directory "
    "limit because link names are included in the directory entry"
)


def content_of(vector: Vector) -> bytes:
    if vector["gen"] == "text":
        text: str = vector["text"]
        return text.encode()
    if vector["gen"] == "zeros":
        return bytes(vector["size"])
    return stream_of(vector["seed"], vector["size"] | 1)[: vector["size"]]


@cache
def stream_of(seed: str, size: int) -> bytes:
    """The keystream; it takes long, and several vectors begin alike."""
    return chacha20(seed, size)


def names_of(vector: Vector) -> list[str]:
    lengths = [vector["nameLen"]] * (vector["count"] - 1) + [vector["lastLen"]]
    letters = iter(chacha20(vector["seed"], 1024 * 1024))
    return ["".join(LETTERS[next(letters) % 39] for _ in range(each)) for each in lengths]


def folder_of(vector: Vector, profile: ImportProfile) -> list[Link]:
    if vector["gen"] == "names":
        (x, _) = small_file(b"x", profile)
        return [entry(name.encode(), x) for name in names_of(vector)]
    if vector["gen"] == "longnames":
        names = [f"{LONG_NAME} {number}".encode() for number in range(vector["count"])]
        return [entry(name, small_file(name, profile)[0]) for name in names]
    if vector["gen"] == "symlink-car":
        bar, _ = symlink(b"foo", profile, NO_METADATA)
        return [entry(b"foo", small_file(b"content\n", profile)[0]), entry(b"bar", bar)]
    assert vector["gen"] == "emptydir"
    return []


async def test_the_cids_are_those_of_other_implementations_and_read_back(vectors: Path) -> None:
    found = json.loads((vectors / "unixfs" / "vectors.json").read_text())["vectors"]
    quick = [vector for vector in found if not vector.get("slow")]
    assert len(quick) == 18
    for vector in quick:
        profile = PROFILES[vector["p"]]
        if vector.get("hamt") == "links-bytes":
            profile = replace(profile, folder_measure="links")
        store = Memory()
        files = Files(BlockService(store, Offline()))
        if vector["gen"] in {"text", "zeros", "chacha"}:
            written, blocks = small_file(content_of(vector), profile)
            await store.put_many(blocks)
            assert await files.read(written.cid) == content_of(vector)
        else:
            links = folder_of(vector, profile)
            written, blocks = directory(links, profile)
            assert (len(blocks) > 1) == (vector.get("type") == "hamt")
            await store.put_many(blocks)
            entries = await files.entries(written.cid)
            assert {(e.name.encode(), e.cid, e.dag_bytes) for e in entries} == set(links)
        assert str(written.cid) == vector["cid"], vector


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_the_cids_of_large_files_are_those_of_other_implementations(
    vectors: Path, index: int
) -> None:
    found = json.loads((vectors / "unixfs" / "vectors.json").read_text())["vectors"]
    large = [each for each in found if each["p"] == "unixfs-v1-2025" and each.get("slow")]
    assert str(file_blocks(content_of(large[index]))[0]) == large[index]["cid"]


@pytest.mark.parametrize(
    ("size", "blocks"),
    [
        (0, 1),
        (1, 1),
        (CHUNK_BYTES - 1, 1),
        (CHUNK_BYTES, 1),
        (CHUNK_BYTES + 1, 3),
        (2 * CHUNK_BYTES - 1, 3),
        (2 * CHUNK_BYTES, 3),
        (2 * CHUNK_BYTES + 1, 4),
    ],
)
def test_a_file_is_read_back_as_it_was_cut(gathered: Gathered, size: int, blocks: int) -> None:
    data = chacha20(str(size), size)
    root, made = file_blocks(data)
    assert len(made) == blocks
    assert made[-1].cid == root
    assert root.codec == (RAW if blocks == 1 else DAG_PB)
    assert gathered(root, made) == data


def test_a_small_file_is_one_raw_block() -> None:
    assert file_blocks(b"hello world")[0] == Cid.of(b"hello world")
    assert file_blocks(b"")[0] == Cid.of(b"")


def test_equal_chunks_are_one_block(gathered: Gathered) -> None:
    root, made = file_blocks(bytes(5 * CHUNK_BYTES))
    assert len({block.cid for block in made}) == 2
    assert gathered(root, made) == bytes(5 * CHUNK_BYTES)


def test_a_tree_is_as_deep_as_it_must_be(gathered: Gathered) -> None:
    """Chunks of four bytes and three links a node show what takes gigabytes otherwise."""
    for chunks, nodes in ((1, 0), (2, 1), (3, 1), (4, 3), (9, 4), (10, 7), (27, 13), (28, 17)):
        data = bytes(range(4 * chunks))
        root, made = file_blocks(data, NARROW)
        assert len(made) == chunks + nodes
        assert gathered(root, made) == data

    @given(st.binary(max_size=300))
    def check(data: bytes) -> None:
        root, made = file_blocks(data, NARROW)
        assert gathered(root, made) == data

    check()


def test_the_sizes_in_a_tree_add_up() -> None:
    _, made = file_blocks(bytes(range(50)), NARROW)
    below: dict[Cid, int] = {}
    for block in made:
        node: Any = block.decode() if block.cid.codec == DAG_PB else {"Links": []}
        for link in node["Links"]:
            assert link["Tsize"] == below[link["Hash"]]
        below[block.cid] = len(block.data) + sum(link["Tsize"] for link in node["Links"])
    assert below[made[-1].cid] == sum(len(block.data) for block in made)
