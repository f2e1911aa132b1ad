"""Bytes that match their CID."""

import pytest
from hypothesis import given, strategies as st

from ipvm.errors import InvalidData, NotFound
from ipvm.ipld import (
    BLAKE3,
    DAG_CBOR,
    DAG_JSON,
    DAG_PB,
    HASHES,
    IDENTITY,
    RAW,
    SHA2_256,
    Block,
    BlockMismatch,
    BlockNotFound,
    Cid,
    InvalidCid,
    InvalidEncoding,
    UnknownHash,
    hash_digest,
)
from ipvm.limits import BLOCK_BYTES_MAX

HELLO = b"hello"


@pytest.mark.parametrize("hash_code", HASHES.values(), ids=HASHES.keys())
def test_a_block_is_what_hashes_to_its_cid(hash_code: int) -> None:
    made = Block.of(HELLO, hash_code=hash_code)
    block = Block(made.cid, HELLO)
    assert (block.cid, block.data) == (made.cid, HELLO)
    assert block == made
    assert len({block, made}) == 1
    with pytest.raises(BlockMismatch) as caught:
        Block(made.cid, b"jello")
    assert caught.value.cid == made.cid
    assert str(made.cid) in str(caught.value)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_other_bytes_never_match(data: bytes, other: bytes) -> None:
    for hash_code in (SHA2_256, BLAKE3, IDENTITY):
        cid = Cid.of(data, hash_code=hash_code)
        if data == other:
            Block(cid, other)
        else:
            with pytest.raises(BlockMismatch):
                Block(cid, other)


def test_an_identity_cid_matches_its_content_and_not_what_begins_with_it() -> None:
    cid = Cid.of(b"", hash_code=IDENTITY)
    assert Block(cid, b"").data == b""
    with pytest.raises(BlockMismatch):
        Block(cid, HELLO)


def test_a_truncated_digest_is_verified_as_far_as_it_goes() -> None:
    digest = hash_digest(HELLO, SHA2_256)
    assert Block(Cid(digest[:20]), HELLO).data == HELLO
    with pytest.raises(BlockMismatch):
        Block(Cid(digest[:19] + bytes(1)), HELLO)
    with pytest.raises(BlockMismatch):
        Block(Cid(digest[1:21]), HELLO)


def test_nothing_is_a_block_under_a_hash_that_is_not_known() -> None:
    cid = Cid(bytes(32), hash_code=0x1B)
    with pytest.raises(UnknownHash, match="0x1b is not known here") as caught:
        Block(cid, HELLO)
    assert caught.value.hash_code == 0x1B
    with pytest.raises(UnknownHash):
        Block.of(HELLO, hash_code=0x1B)


def test_a_block_has_a_largest_size() -> None:
    largest = bytes(BLOCK_BYTES_MAX)
    assert len(Block.of(largest).data) == BLOCK_BYTES_MAX
    with pytest.raises(InvalidData, match="at most 4194304 bytes, not 4194305"):
        Block.of(largest + b"\0")
    with pytest.raises(InvalidData, match="at most"):
        Block(Cid(bytes(32)), largest + b"\0")


def test_an_identity_block_is_bounded_by_the_digest() -> None:
    assert Block.of(bytes(128), hash_code=IDENTITY).cid.is_identity
    with pytest.raises(InvalidCid):
        Block.of(bytes(129), hash_code=IDENTITY)


@pytest.mark.parametrize("codec", [DAG_CBOR, DAG_JSON])
def test_a_value_becomes_a_block_and_comes_back(codec: int) -> None:
    child = Block.of(HELLO).cid
    block = Block.encode({"child": child, "twice": [child, 1]}, codec=codec, hash_code=BLAKE3)
    assert (block.cid.codec, block.cid.hash_code) == (codec, BLAKE3)
    assert block.decode() == {"child": child, "twice": [child, 1]}
    assert block.links() == (child, child)


def test_bytes_are_a_raw_block_and_a_value_is_dag_cbor_unless_said_otherwise() -> None:
    assert Block.of(HELLO).cid.codec == RAW
    assert Block.of(HELLO).decode() == HELLO
    assert Block.of(HELLO).links() == ()
    assert Block.encode(HELLO).cid.codec == DAG_CBOR


def test_a_block_may_be_unreadable() -> None:
    for codec in (DAG_CBOR, DAG_JSON, DAG_PB, 0x1234):
        block = Block.of(b"\xff", codec=codec)
        with pytest.raises(InvalidEncoding):
            block.decode()
        with pytest.raises(InvalidEncoding):
            block.links()


def test_a_block_is_not_changed_and_shows_its_cid_and_not_its_bytes() -> None:
    block = Block.of(HELLO)
    with pytest.raises(AttributeError):
        block.data = b"jello"  # type: ignore[misc]
    assert repr(block) == f"<Block {block.cid}, 5 bytes>"


def test_an_absent_block_is_named() -> None:
    cid = Cid.of(HELLO)
    error = BlockNotFound(cid)
    assert isinstance(error, NotFound)
    assert error.cid == cid
    assert str(cid) in str(error)
