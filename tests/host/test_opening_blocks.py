"""Blocks are opened by CIDs as the Filecoin VM does it, with its numbers."""

from typing import TYPE_CHECKING

import pytest

from ipvm.errors import InvalidData, LimitExceeded, NotFound, Refused, Unavailable
from ipvm.host import ErrorNumber
from ipvm.ipld import DAG_CBOR, DAG_PB, RAW, Block, BlockMismatch, Cid
from ipvm.ipld.multihash import HASHES, IDENTITY

if TYPE_CHECKING:
    from tests.host.conftest import Puppet

SIZE = 2 * 65_536
OUT_AT, CID_AT, DATA_AT = 0, 1024, 4096


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
    assert await puppet.call("block_create", OUT_AT, RAW, DATA_AT, 5) == 0
    assert puppet.u32(OUT_AT) == 4


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
