"""Blocks are made, read and linked as the Filecoin VM does it, with its numbers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
import trio
from hypothesis import given

from ipvm.errors import Unavailable
from ipvm.host import ErrorNumber
from ipvm.ipld import DAG_CBOR, DAG_JSON, DAG_PB, RAW, Cid
from ipvm.ipld.multihash import HASHES, IDENTITY, SHA2_256, digest_bytes, hash_digest
from ipvm.limits import BLOCK_BYTES_MAX

if TYPE_CHECKING:
    from tests.host.conftest import Puppet, World

MakeWorld = Callable[..., "World"]

OUT_AT, CID_AT, DATA_AT, TO_AT = 0, 1024, 4096, 16384

VALID = [
    (RAW, b""),
    (RAW, b"\xff\xfe anything"),
    (DAG_CBOR, b"\xa1\x61a\x01"),
    (DAG_CBOR, b"\xf6"),
    (DAG_CBOR, b"\xd8\x2a\x58\x25\x00" + bytes(Cid.of(b"a link"))),
    (DAG_JSON, b'{"a":1}'),
    (DAG_PB, b""),
    (DAG_PB, b"\x0a\x04data"),
]
INVALID = [
    (DAG_CBOR, b""),
    (DAG_CBOR, b"\x18\x01"),
    (DAG_CBOR, b"\xa1\x61a"),
    (DAG_CBOR, b"\xf6\xf6"),
    (DAG_CBOR, b"\xf9\x7e\x00"),
    (DAG_CBOR, b"\x81" * 129 + b"\x01"),
    (DAG_JSON, b""),
    (DAG_JSON, b"{'a':1}"),
    (DAG_JSON, b'{"a":1}x'),
    (DAG_JSON, b"[" * 5000),
    (DAG_PB, b"\x0a\x05data"),
    (DAG_PB, b"\x1a\x00"),
]


async def create(puppet: "Puppet", data: bytes, codec: int = RAW) -> int:
    """Make a block of bytes in the guest's memory; gives its handle."""
    puppet.write(DATA_AT, data)
    assert await puppet.call("block_create", OUT_AT, codec, DATA_AT, len(data)) == 0
    return puppet.u32(OUT_AT)


@pytest.mark.parametrize(("codec", "data"), VALID)
async def test_valid_bytes_become_a_block(puppet: "Puppet", codec: int, data: bytes) -> None:
    handle = await create(puppet, data, codec)
    assert await puppet.call("block_stat", OUT_AT, handle) == 0
    assert (puppet.u64(OUT_AT), puppet.u32(OUT_AT + 8)) == (codec, len(data))


@pytest.mark.parametrize(("codec", "data"), INVALID)
async def test_bytes_that_are_not_valid_under_their_codec_are_a_serialization_error(
    puppet: "Puppet", codec: int, data: bytes
) -> None:
    puppet.write(DATA_AT, data)
    returned = await puppet.call("block_create", OUT_AT, codec, DATA_AT, len(data))
    assert returned == ErrorNumber.SERIALIZATION
    assert await create(puppet, b"next") == 1


@pytest.mark.parametrize("codec", [0, 1, 0x51, 0x72, 0x0155, 2**32 + RAW, 2**63, 2**64 - 1])
@pytest.mark.parametrize("size", [0, 10, 20_000])
async def test_a_codec_that_is_not_known_is_illegal(
    puppet: "Puppet", codec: int, size: int
) -> None:
    returned = await puppet.call("block_create", OUT_AT, codec, DATA_AT, size)
    assert returned == ErrorNumber.ILLEGAL_CODEC


@pytest.mark.parametrize("size", [16_384, 16_385, 70_000])
async def test_a_block_that_is_checked_apart_from_the_loop_is_checked_all_the_same(
    puppet: "Puppet", size: int
) -> None:
    data = b'"' + b"x" * (size - 2) + b'"'
    handle = await create(puppet, data, DAG_JSON)
    block = puppet.world.kernel.block(handle)
    assert block is not None
    assert (block.codec, block.data) == (DAG_JSON, data)
    puppet.write(DATA_AT, data[:-1] + b"x")
    returned = await puppet.call("block_create", OUT_AT, DAG_JSON, DATA_AT, size)
    assert returned == ErrorNumber.SERIALIZATION


async def test_a_block_has_at_most_four_mebibytes(make_world: MakeWorld) -> None:
    puppet = make_world(pages=[80]).puppets[0]
    assert await puppet.call("block_create", OUT_AT, RAW, 64, BLOCK_BYTES_MAX) == 0
    for codec in (RAW, DAG_CBOR, 77):
        returned = await puppet.call("block_create", OUT_AT, codec, 64, BLOCK_BYTES_MAX + 1)
        assert returned == ErrorNumber.LIMIT_EXCEEDED


def test_reading_copies_what_there_is_and_tells_how_much_is_missing(make_world: MakeWorld) -> None:
    puppet = make_world().puppets[0]
    data = bytes(range(200))
    handle = trio.run(create, puppet, data)

    @given(st.integers(0, 300), st.integers(0, 300))
    def check(offset: int, room: int) -> None:
        puppet.memory[TO_AT - 1 : TO_AT + 302] = b"\xee" * 303
        assert puppet.run("block_read", OUT_AT, handle, offset, TO_AT, room) == 0
        copied = data[offset : offset + room]
        assert puppet.read(TO_AT, 301) == copied + b"\xee" * (301 - len(copied))
        assert puppet.read(TO_AT - 1, 1) == b"\xee"
        assert puppet.u32(OUT_AT) == (len(data) - offset - room) % 2**32

    check()


async def test_reading_tells_by_its_sign_whether_there_is_more(puppet: "Puppet") -> None:
    handle = await create(puppet, b"0123456789")
    for offset, room, left in ((0, 4, 6), (0, 10, 0), (4, 10, -4), (10, 0, 0), (11, 0, -1)):
        assert await puppet.call("block_read", OUT_AT, handle, offset, TO_AT, room) == 0
        assert puppet.u32(OUT_AT) == left % 2**32


async def test_reading_past_what_a_signed_number_tells_is_an_illegal_argument(
    puppet: "Puppet",
) -> None:
    handle = await create(puppet, b"0123456789")
    assert await puppet.call("block_read", OUT_AT, handle, 2**31 - 1, TO_AT, 0) == 0
    assert puppet.u32(OUT_AT) == (10 - (2**31 - 1)) % 2**32
    for offset, room in ((2**31, 0), (2**31 - 1, 1), (2**32 - 1, 0), (2**32 - 1, 1)):
        returned = await puppet.call("block_read", OUT_AT, handle, offset, TO_AT, room)
        assert returned == ErrorNumber.ILLEGAL_ARGUMENT


@pytest.mark.parametrize(
    ("hash_code", "size"),
    [
        (code, size)
        for code in HASHES.values()
        if (whole := digest_bytes(code)) is not None
        for size in (20, 31, whole)
        if size <= whole
    ],
)
@pytest.mark.parametrize("length", [0, 5, 300_000])
async def test_a_block_is_linked_under_every_hash_and_every_length_of_digest(
    make_world: MakeWorld, hash_code: int, size: int, length: int
) -> None:
    puppet = make_world(pages=[8]).puppets[0]
    data = b"d" * length
    handle = await create(puppet, data, RAW)
    assert await puppet.call("block_link", OUT_AT, handle, hash_code, size, TO_AT, 100) == 0
    cid = Cid.decode(puppet.read(TO_AT, puppet.u32(OUT_AT)))
    assert cid == Cid(hash_digest(data, hash_code)[:size], codec=RAW, hash_code=hash_code)
    assert [(block.cid, block.data) for block in puppet.world.services.kept] == [(cid, data)]


@pytest.mark.parametrize(
    ("hash_code", "size"),
    [
        (SHA2_256, 0), (SHA2_256, 19), (SHA2_256, 33), (SHA2_256, 2**32 - 1), (0x13, 65),
        (0x11, 20), (0x1B, 32), (2**63, 32), (2**64 - 1, 32), (IDENTITY, 3), (IDENTITY, 20),
    ],
)  # fmt: skip
async def test_a_digest_that_does_not_exist_is_an_illegal_cid(
    puppet: "Puppet", hash_code: int, size: int
) -> None:
    handle = await create(puppet, b"abc")
    returned = await puppet.call("block_link", OUT_AT, handle, hash_code, size, TO_AT, 100)
    assert returned == ErrorNumber.ILLEGAL_CID
    assert puppet.world.services.kept == []


async def test_a_block_of_20_to_128_bytes_may_be_linked_as_an_identity_cid(
    puppet: "Puppet",
) -> None:
    for size, number in ((19, 8), (20, 0), (128, 0), (129, 8)):
        handle = await create(puppet, bytes(size))
        returned = await puppet.call("block_link", OUT_AT, handle, IDENTITY, size, TO_AT, 200)
        assert returned == number
        if number == 0:
            cid = Cid.decode(puppet.read(TO_AT, puppet.u32(OUT_AT)))
            assert (cid.is_identity, cid.digest) == (True, bytes(size))


async def test_a_buffer_that_the_cid_does_not_fit_is_too_small(puppet: "Puppet") -> None:
    handle = await create(puppet, b"abc")
    for room, number in ((0, 12), (35, 12), (36, 0), (37, 0)):
        puppet.memory[TO_AT : TO_AT + 40] = b"\xee" * 40
        before = bytes(puppet.memory)
        returned = await puppet.call("block_link", OUT_AT, handle, SHA2_256, 32, TO_AT, room)
        assert returned == number
        assert (bytes(puppet.memory) == before) == (number != 0)


async def test_a_block_of_any_codec_that_was_opened_can_be_linked(puppet: "Puppet") -> None:
    for codec in (0x51, 0x0129, 2**62):
        cid = puppet.world.services.add(b"opaque", codec=codec)
        assert await puppet.call("block_open", OUT_AT, puppet.write(CID_AT, bytes(cid))) == 0
        handle = puppet.u32(OUT_AT + 8)
        assert await puppet.call("block_link", OUT_AT, handle, SHA2_256, 32, TO_AT, 100) == 0
        assert Cid.decode(puppet.read(TO_AT, puppet.u32(OUT_AT))) == cid


async def test_a_store_that_fails_is_no_answer_to_a_guest_that_links(puppet: "Puppet") -> None:
    handle = await create(puppet, b"abc")
    puppet.world.services.keep_fails = Unavailable("the disk")
    with pytest.raises(Unavailable, match="the disk"):
        await puppet.call("block_link", OUT_AT, handle, SHA2_256, 32, TO_AT, 100)
