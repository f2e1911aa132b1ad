"""`ipvm.hash` hashes as everybody does, up to 64 MiB."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import blake3
import hypothesis.strategies as st
import pytest
from hypothesis import given

from ipvm.host import ErrorNumber
from ipvm.ipld.multihash import BLAKE2B_256, BLAKE3, IDENTITY, SHA2_256, SHA2_512, SHA3_256

if TYPE_CHECKING:
    from tests.host.conftest import Puppet, World

MakeWorld = Callable[..., "World"]

OUT_AT, DIGEST_AT, DATA_AT = 0, 64, 1024
BYTES_MAX = 64 * 1024 * 1024

HASHES: dict[int, Callable[[bytes], bytes]] = {
    SHA2_256: lambda data: hashlib.sha256(data).digest(),
    SHA2_512: lambda data: hashlib.sha512(data).digest(),
    SHA3_256: lambda data: hashlib.sha3_256(data).digest(),
    BLAKE2B_256: lambda data: hashlib.blake2b(data, digest_size=32).digest(),
    BLAKE3: lambda data: blake3.blake3(data).digest(),
}


@pytest.mark.parametrize("hash_code", HASHES)
def test_a_digest_is_what_others_compute(make_world: MakeWorld, hash_code: int) -> None:
    puppet = make_world(pages=[8]).puppets[0]

    @given(st.binary(max_size=200), st.integers(0, 2000))
    def check(data: bytes, times: int) -> None:
        repeated = data * times
        puppet.write(DATA_AT, repeated)
        assert puppet.run("hash", OUT_AT, hash_code, DATA_AT, len(repeated), DIGEST_AT, 64) == 0
        expected = HASHES[hash_code](repeated)
        assert puppet.read(DIGEST_AT, puppet.u32(OUT_AT)) == expected

    check()


@pytest.mark.parametrize(
    "hash_code", [IDENTITY, 1, 0x11, 0x14, 0xB201, 2**32 + SHA2_256, 2**64 - 1]
)
@pytest.mark.parametrize("size", [0, 32, 500_000])
async def test_what_is_no_hash_that_is_known_is_an_illegal_cid(
    make_world: MakeWorld, hash_code: int, size: int
) -> None:
    puppet = make_world(pages=[8]).puppets[0]
    returned = await puppet.call("hash", OUT_AT, hash_code, DATA_AT, size, DIGEST_AT, 64)
    assert returned == ErrorNumber.ILLEGAL_CID


async def test_a_buffer_that_the_digest_does_not_fit_is_too_small(puppet: "Puppet") -> None:
    for room, number in ((0, 12), (31, 12), (32, 0), (33, 0)):
        before = bytes(puppet.memory)
        assert await puppet.call("hash", OUT_AT, SHA2_256, DATA_AT, 3, DIGEST_AT, room) == number
        assert (bytes(puppet.memory) == before) == (number != 0)
        puppet.memory[:] = bytes(len(puppet.memory))


async def test_64_mebibytes_are_hashed_and_no_more(make_world: MakeWorld) -> None:
    puppet = make_world(heap_bytes=2 * BYTES_MAX, pages=[1025]).puppets[0]
    arguments = (DATA_AT, BYTES_MAX, DIGEST_AT, 64)
    assert await puppet.call("hash", OUT_AT, SHA2_256, *arguments) == 0
    data = bytearray(BYTES_MAX)
    assert puppet.read(DIGEST_AT, 32) == hashlib.sha256(data).digest()
    too_long = (DATA_AT, BYTES_MAX + 1, DIGEST_AT, 64)
    returned = await puppet.call("hash", OUT_AT, SHA2_256, *too_long)
    assert returned == ErrorNumber.LIMIT_EXCEEDED


async def test_hashing_takes_room_among_the_blocks_only_while_it_lasts(
    make_world: MakeWorld,
) -> None:
    puppet = make_world(heap_bytes=2000).puppets[0]
    for size, number in ((1000, 0), (2000, 0), (2008, ErrorNumber.LIMIT_EXCEEDED), (1000, 0)):
        assert await puppet.call("hash", OUT_AT, SHA2_256, DATA_AT, size, DIGEST_AT, 64) == number
    assert await puppet.call("block_create", OUT_AT, 0x55, DATA_AT, 2000) == 0
    returned = await puppet.call("hash", OUT_AT, SHA2_256, DATA_AT, 8, DIGEST_AT, 64)
    assert returned == ErrorNumber.LIMIT_EXCEEDED
