"""Names of content."""

import hashlib
from contextlib import suppress
from copy import deepcopy

import multiformats
import pytest
from blake3 import blake3
from hypothesis import given, strategies as st

from ipvm.ipld import (
    BLAKE2B_256,
    BLAKE3,
    DAG_CBOR,
    DAG_PB,
    HASHES,
    IDENTITY,
    RAW,
    SHA2_256,
    SHA2_512,
    SHA3_256,
    Cid,
    InvalidCid,
    UnknownHash,
    hash_digest,
    hash_name,
)
from ipvm.ipld.varint import write

HELLO = b"hello"
V1 = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
V0 = "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"
MURMUR3 = 0x22


def test_the_parts_of_a_cid_can_be_asked_for() -> None:
    cid = Cid.of(HELLO)
    assert str(cid) == V1
    assert (cid.version, cid.codec, cid.hash_code) == (1, RAW, SHA2_256)
    assert cid.digest == hashlib.sha256(HELLO).digest()
    assert cid.multihash == b"\x12\x20" + cid.digest
    assert bytes(cid) == b"\x01\x55" + cid.multihash
    assert not cid.is_identity


def test_a_cid_of_version_0_is_dag_pb_and_a_bare_multihash() -> None:
    cid = Cid.parse(V0)
    assert (cid.version, cid.codec, cid.hash_code) == (0, DAG_PB, SHA2_256)
    assert bytes(cid) == cid.multihash == b"\x12\x20" + cid.digest
    assert str(cid) == V0
    assert Cid(cid.digest, codec=DAG_PB, version=0) == cid


def test_the_two_versions_are_different_names() -> None:
    cid = Cid.parse(V0)
    assert cid != Cid(cid.digest, codec=DAG_PB)


@given(...)
def test_bytes_and_text_of_a_cid_give_it_back(cid: Cid) -> None:
    assert Cid.decode(bytes(cid)) == cid
    assert Cid.parse(str(cid)) == cid
    assert Cid(cid.digest, codec=cid.codec, hash_code=cid.hash_code, version=cid.version) == cid
    assert deepcopy(cid) == cid
    assert eval(repr(cid)) == cid  # noqa: S307 -- the promise that a repr makes


@given(...)
def test_a_cid_is_read_out_of_the_bytes_around_it(cid: Cid, before: bytes, after: bytes) -> None:
    data = before + bytes(cid) + after
    end = len(data) - len(after)
    assert Cid.read(data, len(before)) == (cid, end)


@given(st.binary(min_size=32, max_size=32))
def test_the_reference_prints_the_same_cid(digest: bytes) -> None:
    cid = Cid(digest, codec=DAG_CBOR)
    theirs = multiformats.CID.decode(bytes(cid))
    assert str(cid) == theirs.encode("base32")
    for base in ("base58btc", "base36", "base16", "base64url", "base2", "base10"):
        assert Cid.parse(theirs.encode(base)) == cid


@given(...)
def test_cids_sort_and_hash_as_their_bytes_do(one: Cid, other: Cid) -> None:
    assert (one == other) == (bytes(one) == bytes(other))
    assert (one < other) == (bytes(one) < bytes(other)) == (other > one)
    assert (one <= other) == (bytes(one) <= bytes(other)) == (other >= one)
    assert len({one, Cid.decode(bytes(one))}) == 1
    assert one != bytes(one)


def test_a_cid_does_not_change() -> None:
    cid = Cid.of(HELLO)
    with pytest.raises(AttributeError):
        cid.codec = DAG_PB  # type: ignore[misc]
    with pytest.raises(AttributeError):
        cid.name = "mine"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("hash_code", "digest"),
    [
        (SHA2_256, hashlib.sha256(HELLO).digest()),
        (SHA2_512, hashlib.sha512(HELLO).digest()),
        (SHA3_256, hashlib.sha3_256(HELLO).digest()),
        (BLAKE2B_256, hashlib.blake2b(HELLO, digest_size=32).digest()),
        (BLAKE3, blake3(HELLO).digest()),
        (IDENTITY, HELLO),
    ],
)
def test_content_is_named_by_any_known_hash(hash_code: int, digest: bytes) -> None:
    cid = Cid.of(HELLO, hash_code=hash_code)
    assert cid.hash_code == hash_code
    assert cid.digest == digest == hash_digest(memoryview(HELLO), hash_code)
    assert Cid.parse(str(cid)) == cid
    assert cid.is_identity == (hash_code == IDENTITY)


def test_hashes_are_named_as_in_the_multicodec_table() -> None:
    for name, code in HASHES.items():
        assert multiformats.multihash.get(code=code).name == name == hash_name(code)
    assert hash_name(MURMUR3) == "0x22"


def test_content_is_not_named_by_a_hash_that_is_not_known() -> None:
    with pytest.raises(UnknownHash, match="0x22 is not known here"):
        Cid.of(HELLO, hash_code=MURMUR3)


def test_a_cid_over_an_unknown_codec_and_an_unknown_hash_can_exist() -> None:
    cid = Cid(b"\1\2\3\4\5\6\7\x08", codec=0x1234_5678, hash_code=MURMUR3)
    assert Cid.parse(str(cid)) == cid
    assert (cid.codec, cid.hash_code) == (0x1234_5678, MURMUR3)


@pytest.mark.parametrize("size", [20, 32])
def test_a_digest_may_be_cut_down_to_the_bound(size: int) -> None:
    digest = hash_digest(HELLO, SHA2_256)[:size]
    assert Cid(digest).digest == digest


@pytest.mark.parametrize("size", [0, 19, 33])
def test_a_digest_that_is_shorter_or_longer_is_refused(size: int) -> None:
    with pytest.raises(InvalidCid, match=f"20 to 32 bytes, not {size}"):
        Cid(bytes(size))
    with pytest.raises(InvalidCid):
        Cid.decode(bytes((1, RAW, SHA2_256, size)) + bytes(size))


@pytest.mark.parametrize("hash_code", [IDENTITY, MURMUR3])
def test_any_other_digest_is_bounded_from_above(hash_code: int) -> None:
    assert len(Cid(bytes(128), hash_code=hash_code).digest) == 128
    with pytest.raises(InvalidCid, match="longer than 128"):
        Cid(bytes(129), hash_code=hash_code)
    with pytest.raises(InvalidCid, match="longer than 128"):
        Cid.decode(bytes((1, RAW, hash_code)) + write(2**62))


@pytest.mark.parametrize(
    ("codec", "hash_code", "version"),
    [(-1, SHA2_256, 1), (RAW, -1, 1), (2**63, SHA2_256, 1), (RAW, SHA2_256, 2), (RAW, SHA2_256, 0)],
)
def test_parts_that_make_no_cid_are_refused(codec: int, hash_code: int, version: int) -> None:
    with pytest.raises(InvalidCid):
        Cid(bytes(32), codec=codec, hash_code=hash_code, version=version)


GOOD = bytes(Cid.of(HELLO))
MALFORMED = {
    "nothing": b"",
    "a version alone": b"\x01",
    "version 2": b"\x02" + GOOD[1:],
    "version 0 that is spelled out": b"\x00" + GOOD[1:],
    "a padded version": b"\x81\x00" + GOOD[1:],
    "a padded codec": b"\x01\xd5\x00" + GOOD[2:],
    "a codec of ten bytes": b"\x01" + b"\xff" * 9 + b"\x01" + GOOD[2:],
    "no digest": GOOD[:4],
    "half a digest": GOOD[:20],
    "a byte behind it": GOOD + b"\0",
    "half of version 0": b"\x12\x20" + bytes(31),
    "another hash in version 0": b"\x13\x20" + bytes(32),
    "text": V1.encode(),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_bytes_that_are_no_cid_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidCid):
        Cid.decode(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "Qm",
        "hello",
        f" {V1}",
        f"{V1}\n",
        f"ipfs://{V1}",
        f"/ipfs/{V1}",
        V1[:-1],
        V1 + "a",
        V1.replace("q", "Q", 1),
        V0[:-1],
        V0[:-1] + "0",
        f"z{V0}",  # version 0 in a multibase
        multiformats.multibase.encode(b"\x12\x20" + bytes(32), "base32"),
        "ZZZZ",
        "é" * 40,
        "\ud800" * 46,
    ],
)
def test_text_that_is_no_cid_is_refused_and_shown(text: str) -> None:
    with pytest.raises(InvalidCid, match="is no CID"):
        Cid.parse(text)


def test_upper_case_is_a_base_of_its_own() -> None:
    assert Cid.parse("B" + V1[1:].upper()) == Cid.parse(V1)


@pytest.mark.parametrize("prefix", ["z", "b", "k", "9", "Q", "m"])
def test_text_is_bounded_before_it_is_read(prefix: str) -> None:
    with pytest.raises(InvalidCid, match="1000001 letters are too many"):
        Cid.parse(prefix + "1" * 1_000_000)
    with pytest.raises(InvalidCid):
        Cid.parse(prefix + "1" * 1200)


def test_the_longest_cid_can_be_read_in_the_base_that_takes_most_letters() -> None:
    cid = Cid(bytes(128), codec=2**63 - 1, hash_code=2**63 - 1)
    assert Cid.parse("0" + "".join(f"{byte:08b}" for byte in bytes(cid))) == cid


@given(...)
def test_any_bytes_are_a_cid_or_refused(data: bytes) -> None:
    with suppress(InvalidCid):
        assert bytes(Cid.decode(data)) == data
