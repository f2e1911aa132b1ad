"""CAR files, taken apart in pieces, put together again, and broken at every byte."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import TypeAlias

import pytest
import trio.testing
from hypothesis import given, strategies as st
from trio.lowlevel import checkpoint

from ipvm.errors import LimitExceeded
from ipvm.ipld import DAG_CBOR, RAW, Block, BlockNotFound, Cid, encode, varint
from ipvm.ipld.multihash import IDENTITY
from ipvm.limits import BLOCK_BYTES_MAX, CAR_HEADER_BYTES_MAX
from ipvm.store import Blockstore, Collectable, Memory, Pin, Walk, collect
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
    reading,
    take_car,
    writing,
)
from ipvm.store.car.walking import BlockGetter, walk_dag

MakeStore: TypeAlias = Callable[[], AbstractAsyncContextManager[Blockstore]]

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
    blocks = [Block.of(bytes((number,)) * 1_000_000) for number in range(60)]
    car = car_header([]) + b"".join(map(car_section, blocks))
    seen: list[int] = []
    store = Memory()
    await import_car(read_from(car), store, progress=lambda count, _: seen.append(count))
    assert seen == sorted(seen)
    assert seen[-1] == len(await keys(store)) == 60
    assert len(seen) > 3


async def exported(root: Cid, store: BlockGetter) -> bytes:
    car = bytearray()

    async def write(data: bytes) -> None:
        car.extend(data)

    written = await export_dag(root, store, write)
    assert written.car_bytes == len(car)
    return bytes(car)


async def exported_blocks(cids: Sequence[Cid], store: BlockGetter) -> bytes:
    car = bytearray()

    async def write(data: bytes) -> None:
        car.extend(data)

    await export_blocks(cids[:1], cids, store, write)
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
    with pytest.raises(BlockNotFound, match=str(LEAVES[-1].cid)):
        async with writing(tmp_path / "new.car") as write:
            await export_dag(ROOT.cid, store, write)
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - a test may wait


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


async def test_roots_are_pinned_as_far_as_they_are_whole() -> None:
    incomplete = Block.encode([ROOT.cid, Cid.of(b"nowhere")])
    strange = Cid.of(b"?", codec=0x51)
    named = Block.encode([LEAVES[0].cid], hash_code=IDENTITY)
    roots = [incomplete.cid, ROOT.cid, strange, named.cid, ROOT.cid]
    car = car_header(roots) + b"".join(map(car_section, [incomplete, *BLOCKS]))
    taken = await take_car(read_from(car), store := Memory())
    assert taken.missing == {
        incomplete.cid: Cid.of(b"nowhere"),
        ROOT.cid: None,
        strange: strange,
        named.cid: None,
    }
    pins = [
        Pin(cid=root, reach="recursive" if absent is None else "partial")
        for root, absent in taken.missing.items()
    ]
    assert list(taken.pins) == pins
    assert sorted(await store.pins(), key=str) == sorted(pins, key=str)
    assert (await collect(store)).freed.blocks == 0


async def test_what_is_missing_below_one_root_is_missing_below_the_next(
    make_store: MakeStore,
) -> None:
    roots = [Block.encode([ROOT.cid, number]) for number in range(120)]
    car = car_header([root.cid for root in roots]) + b"".join(map(car_section, [ROOT, *roots]))
    async with make_store() as store:
        taken = await take_car(read_from(car), store)
        assert [pin.reach for pin in taken.pins] == ["partial"] * 120
        looked_through = dict.fromkeys([root.cid for root in roots[:100]], LEAVES[-1].cid)
        assert taken.missing == looked_through


async def test_a_collection_beside_an_import_takes_nothing_of_it(make_store: MakeStore) -> None:
    blocks = [Block.of(bytes((number,)) * 1_000_000) for number in range(30)]
    root = Block.encode([block.cid for block in blocks])
    garbage = Block.of(b"garbage")
    car = car_header([root.cid]) + b"".join(map(car_section, [*blocks, root]))
    async with make_store() as store:
        assert isinstance(store, Collectable)
        await store.put(garbage)
        freed: list[int] = []
        given = read_from(car)

        async def read(size: int) -> bytes:
            freed.append((await collect(store)).freed.blocks)
            return await given(size)

        taken = await take_car(read, store)
        assert sum(freed) == 1
        assert taken.missing == {root.cid: None}
        assert (await collect(store)).kept == 31
        with pytest.raises(InvalidCar):
            await take_car(read_from(car_header([garbage.cid]) + b"\0"), store)
        assert [pin.cid for pin in await store.pins()] == [root.cid]


async def test_nothing_is_pinned_that_should_not_be() -> None:
    taken = await take_car(read_from(CAR), store := Memory(), pin=False)
    assert (taken.pins, taken.missing, await store.pins()) == ((), {ROOT.cid: None}, [])
    taken = await take_car(read_from(CAR), store, pin=False, check=False)
    assert (taken.imported.blocks, taken.missing) == (4, {})


async def test_a_store_without_pins_takes_a_car_as_well() -> None:
    class Plain:
        def __init__(self) -> None:
            inner = Memory()
            self.get, self.has, self.delete = inner.get, inner.has, inner.delete
            self.put, self.put_many = inner.put, inner.put_many

    taken = await take_car(read_from(CAR), store := Plain())
    assert (taken.pins, taken.missing) == ((), {})
    assert await store.has(ROOT.cid)


class Far:
    """Blocks that are elsewhere. They come when so many are asked for at once, or nobody else can ask."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.blocks = {block.cid: block for block in blocks}
        self.together: list[int] = []
        self._waiting = 0

    async def has(self, cid: Cid) -> bool:
        await checkpoint()
        return cid.is_identity

    async def get(self, cid: Cid) -> Block:
        self._waiting += 1
        try:
            await trio.testing.wait_all_tasks_blocked()
            self.together.append(self._waiting)
            await trio.testing.wait_all_tasks_blocked()
        finally:
            self._waiting -= 1
        if cid not in self.blocks:
            raise BlockNotFound(cid)
        return self.blocks[cid]


def tree(depth: int, width: int, name: bytes = b"") -> tuple[Block, list[Block]]:
    if not depth:
        leaf = Block.of(name)
        return leaf, [leaf]
    below = [tree(depth - 1, width, name + bytes((each,))) for each in range(width)]
    top = Block.encode([child.cid for child, _ in below])
    return top, [top, *(block for _, blocks in below for block in blocks)]


@pytest.mark.parametrize(("depth", "width", "together"), [(3, 5, 5), (2, 20, 16), (6, 2, 2)])
async def test_what_is_far_is_fetched_several_at_a_time_and_written_in_the_same_order(
    depth: int, width: int, together: int
) -> None:
    top, blocks = tree(depth, width)
    store = Memory()
    await store.put_many(blocks)
    near = await exported(top.cid, store)
    assert near == car_header([top.cid]) + b"".join(map(car_section, blocks))
    far = Far(blocks)
    assert await exported(top.cid, far) == near
    assert max(far.together) == together
    assert await exported_blocks([block.cid for block in blocks], far) == near
    assert max(far.together) == 16
    del far.blocks[blocks[-1].cid]
    with pytest.raises(BlockNotFound, match=str(blocks[-1].cid)):
        await exported(top.cid, far)


@pytest.mark.parametrize("held", [0, 100, 100_000])
async def test_a_walk_is_in_the_order_of_the_links_however_much_lies_ahead(
    held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipvm.store.lmdb.marks._CHUNK", 3)
    monkeypatch.setattr("ipvm.store.car.walking._HELD_MAX", held)
    store = Memory()
    comb = Block.of(b"end")
    teeth = [Block.of(str(number).encode()) for number in range(200)]
    expected = [comb]
    for tooth in teeth:
        comb = Block.encode([comb.cid, tooth.cid, comb.cid])
        expected = [comb, *expected, tooth]
    await store.put_many(expected)
    async with aclosing(walk_dag([comb.cid], store)) as walk:
        assert [block async for block in walk] == expected
    await store.delete(teeth[7].cid)
    absent: list[Cid] = []
    async with aclosing(walk_dag([comb.cid], store, absent=absent.append)) as walk:
        assert len([block async for block in walk]) == len(expected) - 1
    assert absent == [teeth[7].cid]
