"""No pointer and no length that a guest gives leads anywhere but into its own memory."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ipvm.host import HOST_CALLS, ErrorNumber, OpenBlock
from ipvm.ipld import RAW, Cid

if TYPE_CHECKING:
    from tests.host.conftest import Puppet, World

SIZE = 2 * 65_536
LAST = 2**32 - 1

CID_AT, FOLDER_AT, DATA_AT, OUT_AT, TO_AT = 1024, 2048, 4096, 8192, 16384
BLOCK = b"0123456789"
BLOCK_CID = Cid.of(BLOCK)

VALID: dict[str, dict[str, int]] = {
    "block_open": {"out": OUT_AT, "cid": CID_AT},
    "block_create": {"out": OUT_AT, "codec": RAW, "data": DATA_AT, "len": 10},
    "block_read": {"out": OUT_AT, "id": 1, "offset": 2, "to": TO_AT, "max": 5},
    "block_stat": {"out": OUT_AT, "id": 1},
    "block_link": {
        "out": OUT_AT, "id": 1, "hash_fun": 0x12, "hash_len": 32, "cid": TO_AT, "cid_max": 100,
    },
    "call": {
        "out": OUT_AT, "cid": CID_AT, "name": DATA_AT, "name_len": 5, "args": TO_AT, "args_len": 3,
        "fuel": 0,
    },
    "log": {"message": DATA_AT, "len": 5},
    "abort": {"code": 1, "message": DATA_AT, "len": 5},
    "fuel": {"out": OUT_AT},
    "self": {"out": OUT_AT, "cid": TO_AT, "cid_max": 100},
    "hash": {
        "out": OUT_AT, "hash_fun": 0x12, "data": DATA_AT, "len": 5, "digest": TO_AT,
        "digest_max": 64,
    },
    "file_stat": {
        "out": OUT_AT, "cid": FOLDER_AT, "path": DATA_AT, "path_len": 5, "to": TO_AT, "max": 100,
    },
    "file_read": {
        "out": OUT_AT, "cid": FOLDER_AT, "path": DATA_AT, "path_len": 5, "offset": 2, "to": TO_AT,
        "max": 5,
    },
    "dir_entry": {
        "out": OUT_AT, "cid": FOLDER_AT, "path": DATA_AT, "path_len": 0, "cursor": 0,
        "name": TO_AT, "name_max": 20, "to": TO_AT + 20, "max": 80,
    },
}  # fmt: skip
"""Arguments that each host call takes."""

OUT_BYTES = {
    "block_open": 16, "block_create": 4, "block_read": 4, "block_stat": 12, "block_link": 4,
    "call": 32, "fuel": 8, "self": 4, "hash": 4, "file_stat": 16, "file_read": 4, "dir_entry": 16,
}  # fmt: skip

BUFFERS = [
    ("block_create", "data", "len", 1),
    ("block_read", "to", "max", 1),
    ("block_link", "cid", "cid_max", 1),
    ("call", "name", "name_len", 1),
    ("call", "args", "args_len", 4),
    ("log", "message", "len", 1),
    ("self", "cid", "cid_max", 1),
    ("hash", "data", "len", 1),
    ("hash", "digest", "digest_max", 1),
    ("file_stat", "to", "max", 1),
    ("file_read", "to", "max", 1),
    ("dir_entry", "name", "name_max", 1),
    ("dir_entry", "to", "max", 1),
]
"""Host call, pointer, length, and the bytes that one of the length takes."""

ILLEGAL = ErrorNumber.ILLEGAL_ARGUMENT


@pytest.fixture
def puppet(make_world: "Callable[..., World]") -> "Puppet":
    """A guest with a CID that leads to a block, and block 1 open."""
    puppet = make_world().puppets[0]
    puppet.world.services.add(BLOCK)
    assert puppet.world.kernel.place(OpenBlock(RAW, BLOCK)) == 1
    puppet.write(CID_AT, bytes(BLOCK_CID))
    puppet.write(FOLDER_AT, bytes(puppet.world.services.add_folder({"hello": BLOCK_CID})))
    puppet.write(DATA_AT, b"hello there")
    return puppet


async def give(puppet: "Puppet", name: str, /, **changed: int) -> int:
    """Make a host call with valid arguments but those that are changed."""
    arguments = VALID[name] | changed
    call = next(each for each in HOST_CALLS if each.name == name)
    assert set(arguments) == {parameter.name for parameter in call.parameters}
    return await puppet.call(name, *(arguments[each.name] for each in call.parameters))


async def refused(puppet: "Puppet", name: str, number: int, /, **changed: int) -> None:
    """Expect an error number, and that nothing in the memory has changed."""
    before = bytes(puppet.memory)
    assert await give(puppet, name, **changed) == number
    assert bytes(puppet.memory) == before


@pytest.mark.parametrize("name", [name for name in VALID if name != "abort"])
async def test_each_host_call_succeeds_with_valid_arguments(puppet: "Puppet", name: str) -> None:
    before = bytes(puppet.memory)
    assert await give(puppet, name) == 0
    written = [index for index, byte in enumerate(puppet.memory) if byte != before[index]]
    out = range(OUT_AT, OUT_AT + OUT_BYTES.get(name, 0))
    assert all(index in out or TO_AT <= index < TO_AT + 100 for index in written)


@pytest.mark.parametrize(("name", "size"), OUT_BYTES.items())
async def test_an_out_pointer_may_lead_to_the_last_bytes_and_no_further(
    puppet: "Puppet", name: str, size: int
) -> None:
    for address in (SIZE - size, 0, 1, 7, OUT_AT + 3):
        assert await give(puppet, name, out=address) == 0
    for address in (SIZE - size + 1, SIZE - 1, SIZE, SIZE + 1, 2**31, LAST - size + 1, LAST):
        await refused(puppet, name, ILLEGAL, out=address)


def test_every_out_pointer_is_tried() -> None:
    assert {call.name for call in HOST_CALLS if call.out} == OUT_BYTES.keys()
    for call in HOST_CALLS:
        said = next((each.doc for each in call.parameters if each.name == "out"), None)
        assert said == (f"{OUT_BYTES[call.name]} bytes" if call.out else None)


@pytest.mark.parametrize(("name", "pointer", "length", "unit"), BUFFERS)
async def test_a_buffer_may_end_with_the_memory_and_no_later(
    puppet: "Puppet", name: str, pointer: str, length: str, unit: int
) -> None:
    size = VALID[name][length] * unit
    assert await give(puppet, name, **{pointer: SIZE - size}) == 0
    for address in (SIZE - size + 1, SIZE - 1, SIZE, SIZE + 1, 2**31, LAST - size + 1, LAST):
        await refused(puppet, name, ILLEGAL, **{pointer: address})


@pytest.mark.parametrize(("name", "pointer", "length", "unit"), BUFFERS)
async def test_a_buffer_of_no_bytes_may_stand_at_the_end_of_memory_and_not_behind_it(
    puppet: "Puppet", name: str, pointer: str, length: str, unit: int
) -> None:
    del unit
    too_small = {"block_link": 12, "self": 12}.get(name, 0)
    if (name, pointer) in {("hash", "digest"), ("dir_entry", "name")}:
        too_small = 12
    assert await give(puppet, name, **{pointer: SIZE, length: 0}) == too_small
    await refused(puppet, name, ILLEGAL, **{pointer: SIZE + 1, length: 0})
    await refused(puppet, name, ILLEGAL, **{pointer: LAST, length: 0})


@pytest.mark.parametrize(("name", "pointer", "length", "unit"), BUFFERS)
async def test_a_length_that_overflows_is_refused(
    puppet: "Puppet", name: str, pointer: str, length: str, unit: int
) -> None:
    address = VALID[name][pointer]
    for count in (SIZE, 2**30, 2**31, 2**32 // unit - address // unit, LAST):
        before = bytes(puppet.memory)
        assert await give(puppet, name, **{length: count}) in {ILLEGAL, ErrorNumber.LIMIT_EXCEEDED}
        assert bytes(puppet.memory) == before


@pytest.mark.parametrize("name", ["block_open", "call"])
async def test_a_cid_may_begin_anywhere_in_memory_and_nowhere_else(
    puppet: "Puppet", name: str
) -> None:
    size = len(bytes(BLOCK_CID))
    puppet.write(SIZE - size, bytes(BLOCK_CID))
    assert await give(puppet, name, cid=SIZE - size) == 0
    for address in (SIZE - size + 1, SIZE - 1, SIZE, SIZE + 1, 2**31, LAST):
        await refused(puppet, name, ILLEGAL, cid=address)


@pytest.mark.parametrize("name", ["block_read", "block_stat", "block_link"])
@pytest.mark.parametrize("handle", [0, 2, 3, 65_536, 1_048_576, 2**28, 2**28 + 1, 2**31, LAST])
async def test_a_handle_that_does_not_exist_is_refused(
    puppet: "Puppet", name: str, handle: int
) -> None:
    await refused(puppet, name, ErrorNumber.INVALID_HANDLE, id=handle)


async def test_a_handle_among_the_arguments_of_a_call_must_exist_or_be_null(
    puppet: "Puppet",
) -> None:
    for handle in (2, 2**28 + 1, LAST):
        puppet.write(TO_AT + 4, handle.to_bytes(4, "little"))
        await refused(puppet, "call", ErrorNumber.INVALID_HANDLE)
    puppet.write(TO_AT, (1).to_bytes(4, "little") + bytes(4) + (1).to_bytes(4, "little"))
    assert await give(puppet, "call") == 0
    given = [block and block.data for block in puppet.world.services.calls[-1][2]]
    assert given == [BLOCK, None, BLOCK]


async def test_a_pointer_is_looked_at_before_a_handle_and_a_handle_before_the_host(
    puppet: "Puppet",
) -> None:
    await refused(puppet, "block_stat", ILLEGAL, out=LAST, id=9)
    await refused(puppet, "block_read", ILLEGAL, to=LAST, id=9)
    await refused(puppet, "block_link", ErrorNumber.INVALID_HANDLE, id=9, hash_fun=999)
    assert puppet.world.services.kept == []


async def test_buffers_may_overlap(puppet: "Puppet") -> None:
    assert await give(puppet, "block_read", to=OUT_AT, offset=0, max=10) == 0
    assert puppet.read(OUT_AT, 10) == bytes(4) + BLOCK[4:]
    assert await give(puppet, "self", cid=OUT_AT) == 0
    assert puppet.u32(OUT_AT) == len(bytes(BLOCK_CID))


async def test_a_memory_may_be_as_large_as_it_gets(make_world: "Callable[..., World]") -> None:
    world = make_world(pages=[65_536])
    world.services.add(BLOCK)
    (puppet,) = world.puppets
    end = 2**32
    size = len(bytes(BLOCK_CID))
    puppet.write(end - size, bytes(BLOCK_CID))
    assert await puppet.call("block_open", end - 16 - size, end - size) == 0
    assert puppet.u64(end - 16 - size) == RAW
    assert await puppet.call("block_read", end - 4, 1, 0, end - 14, 10) == 0
    assert puppet.read(end - 14, 10) == BLOCK
    assert await puppet.call("block_read", end - 3, 1, 0, end - 14, 10) == ILLEGAL
    assert await puppet.call("block_read", 0, 1, 0, end - 14, 15) == ILLEGAL
    assert await puppet.call("log", end - 1, 1) == 0
    assert await puppet.call("log", end - 1, 2) == ILLEGAL
    assert await puppet.call("log", 0, LAST) == ErrorNumber.LIMIT_EXCEEDED


async def test_a_guest_without_a_page_can_give_no_pointer(
    make_world: "Callable[..., World]",
) -> None:
    puppet = make_world(pages=[0]).puppets[0]
    assert await puppet.call("fuel", 0) == ILLEGAL
    assert await puppet.call("block_open", 0, 0) == ILLEGAL
    assert await puppet.call("log", 0, 0) == 0
    assert await puppet.call("log", 0, 1) == ILLEGAL
