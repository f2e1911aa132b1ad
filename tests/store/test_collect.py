"""What a collection takes away, and what it leaves."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, final

import lmdb
import pytest
import trio
from hypothesis import given, strategies as st

from ipvm.ipld import DAG_CBOR, DAG_JSON, DAG_PB, RAW, Block, Cid, Value
from ipvm.store import Collectable, Memory, Pin, Reach, Walk, collect
from ipvm.store.blockstore import Blockstore
from ipvm.store.lmdb import Lmdb, marks as marks_module
from ipvm.store.lmdb.marks import marks_in


class Store(Collectable, Blockstore, Protocol):
    """A store that is both."""


MakeStore = Callable[[], AbstractAsyncContextManager[Store]]
LEAF, OTHER = Block.of(b"leaf"), Block.of(b"other")
UNKNOWN_CODEC = 0x1234


def node(*links: Block | Cid, tag: Value = None, codec: int = DAG_CBOR) -> Block:
    cids: list[Value] = [each.cid if isinstance(each, Block) else each for each in links]
    return Block.encode({"links": cids, "tag": tag}, codec=codec)


async def held(store: Collectable) -> set[bytes]:
    return {key async for key in Walk(store)}


def keys(blocks: Iterable[Block]) -> set[bytes]:
    return {block.cid.multihash for block in blocks}


async def test_what_no_pin_reaches_is_deleted(make_store: MakeStore) -> None:
    below = node(LEAF)
    top = node(below)
    async with make_store() as store:
        await store.put_many([top, below, LEAF, OTHER])
        await store.pin(Pin(cid=top.cid))
        done = await collect(store)
        assert (done.freed.blocks, done.freed.block_bytes) == (1, len(OTHER.data))
        assert (done.kept, done.pins, done.problems, done.stopped) == (3, 1, (), False)
        assert await held(store) == keys([top, below, LEAF])


async def test_a_dry_run_deletes_nothing_and_tells_the_same(make_store: MakeStore) -> None:
    async with make_store() as store:
        await store.put_many([LEAF, OTHER])
        await store.pin(Pin(cid=LEAF.cid))
        told = await collect(store, dry_run=True)
        assert await held(store) == keys([LEAF, OTHER])
        assert await collect(store) == told


async def test_a_direct_pin_keeps_the_block_alone(make_store: MakeStore) -> None:
    top = node(LEAF)
    async with make_store() as store:
        await store.pin(Pin(cid=top.cid, reach="direct"), [top, LEAF])
        await collect(store)
        assert await held(store) == keys([top])


@pytest.mark.parametrize("codec", [DAG_CBOR, DAG_JSON, DAG_PB])
async def test_links_are_followed_in_every_codec_that_has_them(
    make_store: MakeStore, codec: int
) -> None:
    value: Value = {"Links": [{"Hash": LEAF.cid}]} if codec == DAG_PB else [LEAF.cid]
    top = Block.encode(value, codec=codec)
    async with make_store() as store:
        await store.pin(Pin(cid=top.cid), [top, LEAF, OTHER])
        await collect(store)
        assert await held(store) == keys([top, LEAF])


async def test_the_codec_says_what_is_reached_and_not_the_bytes(make_store: MakeStore) -> None:
    top = node(LEAF)
    as_raw = Cid(top.cid.digest, codec=RAW)
    both = node(as_raw, top)
    async with make_store() as store:
        await store.pin(Pin(cid=as_raw), [top, LEAF])
        await collect(store)
        assert await held(store) == keys([top])
        await store.pin(Pin(cid=both.cid), [both, top, LEAF])
        await collect(store)
        assert await held(store) == keys([both, top, LEAF])


async def test_a_codec_that_is_not_known_is_a_leaf_and_told(make_store: MakeStore) -> None:
    strange = Block.of(node(LEAF).data, codec=UNKNOWN_CODEC)
    async with make_store() as store:
        await store.pin(Pin(cid=strange.cid), [strange, LEAF])
        done = await collect(store)
        assert (done.unknown, done.problems) == (1, ())
        assert await held(store) == keys([strange])


async def test_a_block_that_is_not_valid_under_its_codec_is_a_leaf_and_told(
    make_store: MakeStore,
) -> None:
    odd = Block.of(b"\xff", codec=DAG_CBOR)
    async with make_store() as store:
        await store.pin(Pin(cid=odd.cid), [odd, LEAF])
        done = await collect(store)
        assert [(each.cid, each.kind) for each in done.problems] == [(odd.cid, "invalid")]
        assert await held(store) == keys([odd])


async def test_links_in_an_identity_cid_are_followed(make_store: MakeStore) -> None:
    inline = Block.encode([LEAF.cid], hash_code=0)
    async with make_store() as store:
        await store.pin(Pin(cid=inline.cid), [inline, LEAF, OTHER])
        await collect(store)
        assert await held(store) == keys([LEAF])


@pytest.mark.parametrize(("reach", "stopped"), [("recursive", True), ("partial", False)])
async def test_nothing_is_deleted_where_a_missing_block_may_hide_more(
    make_store: MakeStore, reach: Reach, *, stopped: bool
) -> None:
    below = node(LEAF)
    top = node(below)
    async with make_store() as store:
        await store.pin(Pin(cid=top.cid, reach=reach), [top, LEAF])
        done = await collect(store)
        assert done.stopped == stopped
        assert [(each.cid, each.kind) for each in done.problems] == (
            [(below.cid, "missing")] if stopped else []
        )
        assert await held(store) == (keys([top, LEAF]) if stopped else keys([top]))


async def test_a_missing_leaf_is_told_and_hides_nothing(make_store: MakeStore) -> None:
    top = node(LEAF)
    async with make_store() as store:
        await store.pin(Pin(cid=top.cid), [top, OTHER])
        done = await collect(store)
        assert [(each.cid, each.kind) for each in done.problems] == [(LEAF.cid, "missing")]
        assert not done.stopped
        assert await held(store) == keys([top])


@pytest.mark.parametrize("reach", ["recursive", "partial"])
async def test_nothing_is_deleted_behind_a_block_that_has_rotted(
    folder: Path, reach: Reach
) -> None:
    top = node(LEAF)
    with Lmdb(folder) as store:
        await store.pin(Pin(cid=top.cid, reach=reach), [top, LEAF, OTHER])
    with lmdb.Environment(str(folder)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"b" + top.cid.multihash, b"rotten")
    with Lmdb(folder) as store:
        done = await collect(store)
        assert [(each.cid, each.kind) for each in done.problems] == [(top.cid, "rotten")]
        assert done.stopped
        assert await held(store) == keys([top, LEAF, OTHER])
        await store.put(top)
        assert not (await collect(store)).stopped
        assert await held(store) == keys([top, LEAF])


async def test_what_is_put_under_a_lease_stays_until_it_ends(make_store: MakeStore) -> None:
    top = node(LEAF, OTHER)
    async with make_store() as store:
        await store.put(LEAF)
        async with store.lease():
            await store.put(OTHER)
            await store.put(top)
            await collect(store)
            assert await held(store) == keys([top, LEAF, OTHER])
        await collect(store)
        assert await held(store) == set()


@pytest.mark.parametrize("again", ["put", "need"])
async def test_what_is_needed_again_under_a_lease_stays(make_store: MakeStore, again: str) -> None:
    top = node(LEAF)
    async with make_store() as store:
        await store.put_many([top, LEAF])
        async with store.lease():
            await (store.put(top) if again == "put" else store.need([top.cid]))
            await collect(store)
            assert await held(store) == keys([top, LEAF])


@final
class Paused:
    """A store that lets a collection stand still at one stage, until something was done."""

    def __init__(self, store: Store, stage: str) -> None:
        self._store = store
        self._stage = stage
        self.begun, self.done = trio.Event(), trio.Event()
        self.pin, self.unpin, self.need = store.pin, store.unpin, store.need
        self.lease, self.ground = store.lease, store.ground

    async def multihashes(self, after: bytes = b"", count: int = 1000) -> Sequence[bytes]:
        found = await self._store.multihashes(after, count)
        await self._pause("sweep")
        return found

    async def pins(self, after: Pin | None = None, count: int = 1000) -> Sequence[Pin]:
        found = await self._store.pins(after, count)
        await self._pause("mark")
        return found

    async def _pause(self, stage: str) -> None:
        if stage == self._stage:
            self.begun.set()
            await self.done.wait()


async def during(store: Store, stage: str, act: Callable[[], Awaitable[None]]) -> None:
    """Do something in the middle of a collection."""
    paused = Paused(store, stage)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect, paused)
        await paused.begun.wait()
        await act()
        paused.done.set()


@pytest.mark.parametrize("stage", ["mark", "sweep"])
async def test_what_is_written_during_a_collection_stays(make_store: MakeStore, stage: str) -> None:
    new, moved = node(LEAF, tag="new"), node(tag="moved")
    async with make_store() as store:
        await store.put_many([LEAF, OTHER, moved])
        await store.pin(Pin(cid=moved.cid, name="z"))

        async def act() -> None:
            await store.put(new)
            await store.pin(Pin(cid=moved.cid, name="a"))
            await store.pin(Pin(cid=OTHER.cid, name="z"))

        await during(store, stage, act)
        assert await held(store) == keys([new, LEAF, OTHER, moved])


async def test_a_collection_can_be_cancelled(make_store: MakeStore) -> None:
    async with make_store() as store:
        await store.put_many([LEAF, OTHER])
        await store.pin(Pin(cid=LEAF.cid))
        with trio.CancelScope() as scope:
            await collect(store, progress=lambda *_: scope.cancel())
        assert LEAF.cid.multihash in await held(store)
        await collect(store)
        assert await held(store) == keys([LEAF])


async def test_a_store_is_swept_page_by_page(make_store: MakeStore) -> None:
    garbage = [Block.of(b"%d" % number) for number in range(2500)]
    kept = garbage[::5]
    top = node(*kept)
    async with make_store() as store:
        await store.put_many(garbage)
        await store.pin(Pin(cid=top.cid), [top])
        seen: list[tuple[str, int]] = []
        done = await collect(store, progress=lambda *told: seen.append(told))
        assert done.freed.blocks == 2000
        assert seen[-1] == ("sweep", 2501)
        assert await held(store) == keys([top, *kept])


async def test_a_chain_of_any_length_is_followed(make_store: MakeStore) -> None:
    chain = [node(LEAF)]
    for _ in range(3000):
        chain.append(node(chain[-1]))
    async with make_store() as store:
        await store.pin(Pin(cid=chain[-1].cid), [*chain, LEAF, OTHER])
        assert (await collect(store)).freed.blocks == 1


def test_marks_wait_in_the_file_when_they_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks_module, "_CHUNK", 3)
    cids = [bytes(Block.of(b"%d" % number).cid) for number in range(20)]
    with marks_in(tmp_path / "marks") as marks, marks:
        assert list(tmp_path.iterdir()) == []
        for cid in cids:
            marks.push(cid)
        assert sorted(iter(marks.pop, None)) == sorted(cids)
        assert marks.add(b"key", RAW)
        assert marks.add(b"key", UNKNOWN_CODEC)
        assert not marks.add(b"key", RAW)
        assert not marks.add(b"key", UNKNOWN_CODEC)
        assert b"key" in marks
        assert b"ke" not in marks


@st.composite
def graphs(draw: st.DrawFn) -> list[Block]:
    """Blocks that link to blocks before them, some of the same bytes under two codecs."""
    blocks: list[Block] = []
    for number in range(draw(st.integers(1, 12))):
        before = st.lists(st.sampled_from(blocks), max_size=3) if blocks else st.just([])
        links, as_raw = draw(before), draw(before)
        cids = [
            *(each.cid for each in links),
            *(Cid(each.cid.digest, codec=RAW) for each in as_raw),
        ]
        blocks.append(node(*cids, tag=number, codec=draw(st.sampled_from([DAG_CBOR, DAG_JSON]))))
    return blocks


def reached(cid: Cid, blocks: dict[bytes, Block], found: set[Cid]) -> None:
    if cid not in found and cid.multihash in blocks:
        found.add(cid)
        for link in Block(cid, blocks[cid.multihash].data).links():
            reached(link, blocks, found)


@pytest.mark.parametrize("kind", ["memory", "lmdb"])
@given(data=st.data())
def test_what_remains_is_what_pins_reach_and_what_was_written_since(
    kind: str, data: st.DataObject
) -> None:
    graph = data.draw(graphs())
    some = st.lists(st.sampled_from(graph), max_size=3, unique=True)
    pins = [Pin(cid=each.cid, name=name) for name in ("", "a") for each in data.draw(some)[:1]]
    direct, again, unpinned = data.draw(some), data.draw(some), data.draw(some)

    async def check(store: Store) -> None:
        await store.put_many(graph)
        for each in pins:
            await store.pin(each)
        for block in direct:
            await store.pin(Pin(cid=block.cid, reach="direct", name=str(block.cid)))
        for block in unpinned:
            await store.unpin(block.cid)
        async with store.lease():
            await store.put_many(again)
            await collect(store)
        left = await store.pins()
        by_key = {block.cid.multihash: block for block in graph}
        found: set[Cid] = set()
        for cid in (
            *(each.cid for each in left if each.reach != "direct"),
            *(b.cid for b in again),
        ):
            reached(cid, by_key, found)
        expected = {cid.multihash for cid in found} | {each.cid.multihash for each in left}
        assert await held(store) == expected

    if kind == "memory":
        trio.run(check, Memory())
    else:
        with TemporaryDirectory() as name, Lmdb(Path(name) / "store") as store:
            trio.run(check, store)
