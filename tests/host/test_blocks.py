"""Blocks are opened, made, read and linked as the Filecoin VM does it, with its numbers."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
import trio
from hypothesis import given

import ipvm
from ipvm.errors import InvalidData, LimitExceeded, NotFound, Refused, Unavailable
from ipvm.host import ErrorNumber
from ipvm.ipld import DAG_CBOR, DAG_JSON, DAG_PB, RAW, Block, BlockMismatch, Cid
from ipvm.ipld.multihash import HASHES, IDENTITY, SHA2_256, digest_bytes, hash_digest
from ipvm.limits import BLOCK_BYTES_MAX
from ipvm.store import Memory
from ipvm.testing import Lying

if TYPE_CHECKING:
    from tests.host.conftest import Puppet, World

MakeWorld = Callable[..., "World"]
Publish = Callable[..., Awaitable[Cid]]

SIZE = 2 * 65_536
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


async def open_cid(puppet: "Puppet", cid: bytes, at: int = CID_AT) -> int:
    puppet.write(at, cid)
    return await puppet.call("block_open", OUT_AT, at)


async def test_a_block_is_opened_by_its_cid(puppet: "Puppet") -> None:
    cid = puppet.world.services.add(b"\x01", codec=DAG_CBOR)
    assert await open_cid(puppet, bytes(cid)) == 0
    codec, handle, size = puppet.u64(OUT_AT), puppet.u32(OUT_AT + 8), puppet.u32(OUT_AT + 12)
    assert (codec, handle, size) == (DAG_CBOR, 1, 1)


async def test_handles_are_counted_from_one_and_never_given_twice(puppet: "Puppet") -> None:
    cid = puppet.world.services.add(b"block")
    for expected in (1, 2, 3):
        assert await open_cid(puppet, bytes(cid)) == 0
        assert puppet.u32(OUT_AT + 8) == expected
    assert await create(puppet, b"other") == 4


@pytest.mark.parametrize("hash_code", HASHES.values(), ids=HASHES)
async def test_a_block_is_opened_under_every_hash(puppet: "Puppet", hash_code: int) -> None:
    cid = puppet.world.services.add(b"some data", hash_code=hash_code)
    assert await open_cid(puppet, bytes(cid)) == 0
    assert puppet.u32(OUT_AT + 12) == 9


async def test_an_identity_cid_is_its_own_block(puppet: "Puppet") -> None:
    for data in (b"", b"x", bytes(128)):
        assert await open_cid(puppet, bytes(Cid.of(data, hash_code=IDENTITY))) == 0
        assert puppet.u32(OUT_AT + 12) == len(data)


async def test_a_cid_of_version_0_is_dag_pb(puppet: "Puppet") -> None:
    block = Block.of(b"\x0a\x04data", codec=DAG_PB)
    cid = Cid(block.cid.digest, codec=DAG_PB, version=0)
    puppet.world.services.blocks[cid] = Block(cid, block.data)
    assert await open_cid(puppet, bytes(cid)) == 0
    assert puppet.u64(OUT_AT) == DAG_PB


async def test_what_follows_a_cid_in_memory_does_not_matter(puppet: "Puppet") -> None:
    cid = puppet.world.services.add(b"block")
    assert await open_cid(puppet, bytes(cid) + b"\xff" * 200) == 0


@pytest.mark.parametrize(
    "cid",
    [
        b"",
        b"\x02\x55\x12\x20" + bytes(32),
        b"\x01\x55\x12\x21" + bytes(33),
        b"\x01\x55\x12\x13" + bytes(19),
        b"\x01\x55\x00\x81\x01" + bytes(129),
        b"\x01\x81\x00\x12\x20" + bytes(32),
        b"\xff" * 160,
    ],
    ids=["zeros", "version", "long digest", "short digest", "identity", "varint", "ones"],
)
async def test_bytes_that_are_no_cid_are_an_illegal_argument(puppet: "Puppet", cid: bytes) -> None:
    assert await open_cid(puppet, cid) == ErrorNumber.ILLEGAL_ARGUMENT


async def test_a_cid_that_the_end_of_memory_cuts_off_is_an_illegal_argument(
    puppet: "Puppet",
) -> None:
    cid = bytes(puppet.world.services.add(b"block"))
    for kept in range(1, len(cid)):
        puppet.memory[SIZE - 40 :] = bytes(40)
        puppet.write(SIZE - kept, cid[:kept])
        returned = await puppet.call("block_open", OUT_AT, SIZE - kept)
        assert returned == ErrorNumber.ILLEGAL_ARGUMENT
    puppet.write(SIZE - len(cid), cid)
    assert await puppet.call("block_open", OUT_AT, SIZE - len(cid)) == 0


async def test_a_block_that_is_not_there_is_not_found(puppet: "Puppet") -> None:
    assert await open_cid(puppet, bytes(Cid.of(b"absent"))) == ErrorNumber.NOT_FOUND


CONDITIONS = [
    (NotFound("gone"), ErrorNumber.NOT_FOUND),
    (Unavailable("nobody answered"), ErrorNumber.TIMEOUT),
    (LimitExceeded("some_limit", 1), ErrorNumber.LIMIT_EXCEEDED),
    (BlockMismatch(Cid.of(b"x")), ErrorNumber.ILLEGAL_CID),
    (InvalidData("the hash is not known"), ErrorNumber.ILLEGAL_CID),
]


@pytest.mark.parametrize(("condition", "number"), CONDITIONS)
async def test_what_stands_in_the_way_of_a_block_has_a_number(
    puppet: "Puppet", condition: InvalidData, number: ErrorNumber
) -> None:
    cid = Cid.of(b"x")
    puppet.world.services.blocks[cid] = condition
    assert await open_cid(puppet, bytes(cid)) == number
    assert puppet.world.kernel.block(1) is None


@pytest.mark.parametrize(
    "condition", [Refused("no"), LimitExceeded("wasm_stack_bytes", 1), KeyError("a bug")]
)
async def test_what_is_no_answer_to_the_guest_ends_it(
    puppet: "Puppet", condition: Exception
) -> None:
    cid = Cid.of(b"x")
    puppet.world.services.blocks[cid] = condition
    with pytest.raises(type(condition)) as caught:
        await open_cid(puppet, bytes(cid))
    assert caught.value is condition


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
    puppet = make_world().add(pages=80)
    assert await puppet.call("block_create", OUT_AT, RAW, 64, BLOCK_BYTES_MAX) == 0
    for codec in (RAW, DAG_CBOR, 77):
        returned = await puppet.call("block_create", OUT_AT, codec, 64, BLOCK_BYTES_MAX + 1)
        assert returned == ErrorNumber.LIMIT_EXCEEDED


def test_reading_copies_what_there_is_and_tells_how_much_is_missing(make_world: MakeWorld) -> None:
    puppet = make_world().add()
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
    puppet = make_world().add(pages=8)
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
        assert await open_cid(puppet, bytes(cid)) == 0
        handle = puppet.u32(OUT_AT + 8)
        assert await puppet.call("block_link", OUT_AT, handle, SHA2_256, 32, TO_AT, 100) == 0
        assert Cid.decode(puppet.read(TO_AT, puppet.u32(OUT_AT))) == cid


async def test_a_store_that_fails_is_no_answer_to_a_guest_that_links(puppet: "Puppet") -> None:
    handle = await create(puppet, b"abc")
    puppet.world.services.keep_fails = Unavailable("the disk")
    with pytest.raises(Unavailable, match="the disk"):
        await puppet.call("block_link", OUT_AT, handle, SHA2_256, 32, TO_AT, 100)


async def test_a_block_over_four_mebibytes_cannot_be_opened(publish: Publish) -> None:
    """What was found is the content, and it is no block; every runner that has it says so."""
    data = bytes(BLOCK_BYTES_MAX + 1)
    escaped = "".join(f"\\{byte:02x}" for byte in bytes(Cid.of(data)))
    text = f"""(memory (export "memory") 1) (data (i32.const 64) "{escaped}")
      (func (export "f") (result i32) (call $block_open (i32.const 0) (i32.const 64)))"""
    async with ipvm.open(store=Memory(), sources=[Lying(data)]) as node:
        guest = await node.load(await publish(text, node=node))
        assert (await guest.f.receipt()).value == ErrorNumber.ILLEGAL_CID
