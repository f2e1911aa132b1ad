"""CAR files, taken apart in pieces, put together again, and broken at every byte."""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from ipvm.errors import LimitExceeded
from ipvm.ipld import DAG_CBOR, RAW, Block, BlockNotFound, Cid, encode, varint
from ipvm.ipld.multihash import IDENTITY
from ipvm.limits import BLOCK_BYTES_MAX, CAR_HEADER_BYTES_MAX
from ipvm.store import Memory, Walk
from ipvm.store.car import (
    CarReader,
    InvalidCar,
    Read,
    Section,
    car_header,
    car_section,
    export_blocks,
    export_dag,
    import_car,
    missing_block,
    reading,
    writing,
)

LEAVES = [Block.of(b"one"), Block.of(b"two"), Block.of(b"")]
ROOT = Block.encode([leaf.cid for leaf in LEAVES])
BLOCKS = [ROOT, *LEAVES]
CAR = car_header([ROOT.cid]) + b"".join(map(car_section, BLOCKS))
PRAGMA = bytes.fromhex("0aa16776657273696f6e02")


def v2(data: bytes, *, offset: int = 51, size: int | None = None, index: bytes = b"") -> bytes:
    numbers = [offset, len(data) if size is None else size, 0]
    header = bytes(16) + b"".join(number.to_bytes(8, "little") for number in numbers)
    return PRAGMA + header + bytes(offset - 51) + data + index


def read_from(data: bytes, piece: int = 2**20) -> Read:
    left = memoryview(data)

    async def read(size: int) -> bytes:
        nonlocal left
        taken, left = left[: min(size, piece)], left[min(size, piece) :]
        return bytes(taken)

    return read


def taken_apart(pieces: Iterable[bytes]) -> tuple[CarReader, list[Section]]:
    reader = CarReader()
    sections = [section for piece in pieces for section in reader.feed(piece)]
    reader.finish()
    return reader, sections


async def keys(store: Memory) -> set[bytes]:
    return {key async for key in Walk(store)}


async def stored(car: bytes) -> Memory:
    """What an import of a CAR that may be broken leaves behind, which is checked to be right."""
    store = Memory()
    with contextlib.suppress(InvalidCar):
        await import_car(read_from(car), store)
    return store


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 400), st.booleans())
def test_what_was_put_together_comes_apart_whatever_the_pieces(
    contents: Sequence[bytes],
    size: int,
    wrapped: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    blocks = [Block.of(data) for data in contents]
    car = car_header([block.cid for block in blocks]) + b"".join(map(car_section, blocks))
    car = v2(car, offset=60, index=b"an index") if wrapped else car
    reader, sections = taken_apart(car[at : at + size] for at in range(0, len(car), size))
    assert reader.version == 1 + wrapped
    assert reader.roots == tuple(block.cid for block in blocks)
    assert [Block(cid, data) for cid, data, _ in sections] == blocks
    assert [car[at + 1] for *_, at in sections if len(car) < 127] == [1] * (
        len(blocks) if len(car) < 127 else 0
    )


@pytest.mark.parametrize("wrap", [bytes, v2])
async def test_a_car_that_is_cut_off_anywhere_imports_what_came_before_and_says_where(
    wrap: type[bytes],
) -> None:
    whole = wrap(CAR)
    ends = [len(car_header([ROOT.cid])) + len(whole) - len(CAR)]
    for block in BLOCKS:
        ends.append(ends[-1] + len(car_section(block)))
    for size in range(len(whole)):
        if whole is not CAR or size not in ends:
            with pytest.raises(InvalidCar) as caught:
                await import_car(read_from(whole[:size]), store := Memory())
            count = max(sum(end <= size for end in ends) - 1, 0)
            assert caught.value.blocks == count
            assert await keys(store) == {each.cid.multihash for each in BLOCKS[:count]}
            assert caught.value.offset <= size


async def test_no_flipped_bit_brings_in_what_does_not_match() -> None:
    good = {block.cid.multihash: block.data for block in BLOCKS}
    for at in range(len(CAR)):
        for bit in range(8):
            broken = bytearray(CAR)
            broken[at] ^= 1 << bit
            store = await stored(bytes(broken))
            for key in await keys(store):
                found = await store.get(Cid.decode(bytes((1, RAW)) + key))
                assert good.get(key, found.data) == found.data


SECTIONS = b"".join(map(car_section, BLOCKS))


def with_header(header: object) -> bytes:
    data = encode(header, DAG_CBOR)  # type: ignore[arg-type]
    return varint.write(len(data)) + data + SECTIONS


@pytest.mark.parametrize(
    ("car", "offset", "blocks", "told"),
    [
        (b"", 0, 0, "cut off"),
        (varint.write(2**31) + b"\xa2", 0, 0, "header has 1 to 1048576 bytes, not 2147483648"),
        (b"\xff" * 20, 0, 0, "no number"),
        (b"\x80\x00" + CAR, 0, 0, "shortest"),
        (b"\x00" + CAR, 0, 0, "header has 1 to"),
        (with_header({"version": 3, "roots": []}), 0, 0, "version is not 1 or 2"),
        (with_header({"version": True, "roots": []}), 0, 0, "version is not"),
        (with_header({"version": 1}), 0, 0, "a list of roots"),
        (with_header({"roots": []}), 0, 0, "no map with a version"),
        (with_header([1]), 0, 0, "no map with a version"),
        (with_header({"version": 1, "roots": ["x"]}), 0, 0, "root is no link"),
        (with_header({"version": 1, "roots": [], "more": 1}), 0, 0, "a list of roots"),
        (b"\x01\xff" + SECTIONS, 0, 0, "header is"),
        (CAR + b"\x00" * 4, len(CAR), 4, "section has 1 to"),
        (CAR + varint.write(2**40), len(CAR), 4, "section has 1 to"),
        (CAR + b"\x03\x01\x55\x12", len(CAR), 4, "begins with no CID"),
        (CAR + b"\x06\x01\x55\x12\x20ab" + CAR, len(CAR), 4, "begins with no CID"),
        (v2(CAR, size=len(CAR) - 1), 51 + len(CAR) - 37, 3, "beyond the data"),
        (v2(CAR, size=len(CAR) + 1), 51 + len(CAR), 4, "cut off"),
        (v2(CAR, size=0), 11, 0, "0 bytes of data"),
        (PRAGMA + bytes(40), 11, 0, "0 bytes of data at 0"),
        (v2(v2(CAR)), 51, 0, "version is not 1"),
        (PRAGMA + bytes(16) + b"\xff" * 24, 51, 0, "cut off"),
    ],
)
async def test_a_car_that_lies_is_refused_with_the_place(
    car: bytes, offset: int, blocks: int, told: str
) -> None:
    with pytest.raises(InvalidCar, match=told) as caught:
        await import_car(read_from(car), Memory())
    assert (caught.value.offset, caught.value.blocks) == (offset, blocks)


async def test_a_block_that_is_not_what_it_says_ends_an_import_with_those_before_it_stored() -> (
    None
):
    false = car_section(LEAVES[0])[:-1] + b"X"
    unknown = b"\x09" + bytes((1, RAW, 0x15, 4)) + b"abcd!"
    for bad in (false, unknown):
        car = car_header([]) + car_section(ROOT) + bad + car_section(LEAVES[1])
        with pytest.raises(InvalidCar) as caught:
            await import_car(read_from(car), store := Memory())
        assert caught.value.blocks == 1
        assert caught.value.offset == len(car_header([])) + len(car_section(ROOT))
        assert await keys(store) == {ROOT.cid.multihash}


async def test_the_first_fault_is_told_though_a_later_one_is_seen_first() -> None:
    false = car_section(LEAVES[0])[:-1] + b"X"
    with pytest.raises(InvalidCar) as caught:
        await import_car(read_from(car_header([]) + false + b"\x00"), Memory())
    assert caught.value.offset == len(car_header([]))


async def test_roots_may_be_none_or_many_and_blocks_double_or_identity() -> None:
    named = Block.of(b"in the CID", hash_code=IDENTITY)
    blocks = [named, *BLOCKS, *BLOCKS]
    roots = [ROOT.cid, named.cid, ROOT.cid]
    for each in ([], roots):
        car = car_header(each) + b"".join(map(car_section, blocks))
        found = await import_car(read_from(car, piece=7), store := Memory())
        assert found.roots == tuple(each)
        assert found.blocks == len(blocks)
        assert await keys(store) == {block.cid.multihash for block in BLOCKS}


def test_the_largest_block_and_the_largest_header_fit_and_no_larger() -> None:
    large = Block.of(bytes(BLOCK_BYTES_MAX))
    _, (section,) = taken_apart([car_header([]) + car_section(large)])
    assert len(section.unverified_data) == BLOCK_BYTES_MAX
    count = CAR_HEADER_BYTES_MAX // 41 - 1
    reader, _ = taken_apart([car_header([ROOT.cid] * count)])
    assert reader.roots == (ROOT.cid,) * count
    with pytest.raises(LimitExceeded, match="CAR_HEADER_BYTES_MAX"):
        car_header([ROOT.cid] * (count + 2))


async def test_many_batches_arrive_in_order() -> None:
    blocks = [Block.of(bytes((number,)) * 1_000_000) for number in range(40)]
    car = car_header([]) + b"".join(map(car_section, blocks))
    seen: list[int] = []
    store = Memory()
    await import_car(read_from(car), store, progress=lambda count, _: seen.append(count))
    assert seen == sorted(seen)
    assert seen[-1] == len(await keys(store)) == 40
    assert len(seen) > 3


async def exported(root: Cid, store: Memory) -> bytes:
    car = bytearray()

    async def write(data: bytes) -> None:
        car.extend(data)

    written = await export_dag(root, store, write)
    assert written.car_bytes == len(car)
    return bytes(car)


async def test_an_export_is_depth_first_with_each_block_once() -> None:
    store = Memory()
    named = Block.encode([LEAVES[1].cid], hash_code=IDENTITY)
    inner = Block.encode({"a": LEAVES[0].cid, "b": named.cid})
    top = Block.encode([inner.cid, LEAVES[2].cid, inner.cid, LEAVES[0].cid])
    await store.put_many([*LEAVES, inner, top])
    _, sections = taken_apart([await exported(top.cid, store)])
    cids = [section.cid for section in sections]
    assert cids == [top.cid, inner.cid, LEAVES[0].cid, LEAVES[1].cid, LEAVES[2].cid]


async def test_what_is_missing_is_named_and_no_file_is_left(tmp_path: Path) -> None:
    store = Memory()
    await store.put_many(BLOCKS[:-1])
    assert await missing_block(ROOT.cid, store) == (LEAVES[-1].cid, True)
    assert await missing_block(ROOT.cid, store, blocks_max=2) == (None, False)
    with pytest.raises(BlockNotFound, match=str(LEAVES[-1].cid)):
        async with writing(tmp_path / "new.car") as write:
            await export_dag(ROOT.cid, store, write)
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - a test may wait
    await store.put(LEAVES[-1])
    assert await missing_block(ROOT.cid, store) == (None, True)


async def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.car"
    path.write_bytes(b"old")
    store = Memory()
    await store.put_many(BLOCKS)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it comes while the file is open
        async with writing(path) as write:
            await write(b"half")
            raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    async with writing(path) as write:
        cids = [block.cid for block in BLOCKS]
        await export_blocks([ROOT.cid], cids, store, write)
    assert path.read_bytes() == CAR
    assert [each.name for each in tmp_path.iterdir()] == ["x.car"]  # noqa: ASYNC240 - a test may wait
    async with reading(path) as read:
        assert (await import_car(read, Memory())).blocks == 4


async def test_a_block_of_a_codec_that_is_not_known_is_carried() -> None:
    strange = Block.of(b"?", codec=0x51)
    found = await import_car(read_from(car_header([]) + car_section(strange)), store := Memory())
    assert found.blocks == 1
    _, sections = taken_apart([await exported(strange.cid, store)])
    assert [section.cid for section in sections] == [strange.cid]


async def test_the_cars_that_others_wrote_are_read(vectors: Path) -> None:
    paths = sorted(vectors.rglob("*.car"))  # noqa: ASYNC240 - before anything else runs
    assert len(paths) > 20
    for path in paths:
        async with reading(path) as read:
            found = await import_car(read, Memory())
        assert (len(found.roots), found.blocks > 0) == (1, True)
