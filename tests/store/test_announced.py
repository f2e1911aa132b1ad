"""Announcements are pins that say so."""

import pytest

from ipvm.ipld import Block, Cid
from ipvm.limits import PIN_NAME_BYTES_MAX
from ipvm.store import Memory, Pin, announced, announcement, collect

OLD, NEW, OTHER = (Block.of(name) for name in (b"old", b"new", b"other"))


async def test_what_is_announced_is_listed_once_and_stays() -> None:
    store = Memory()
    await store.pin([announcement(NEW.cid, "a"), announcement(NEW.cid, "b")], [NEW])
    await store.pin(Pin(cid=OTHER.cid, name="pinned, and not announced"), [OTHER])
    await collect(store)
    assert await announced(store) == [NEW.cid]
    assert await store.has(NEW.cid)


async def test_the_announcement_of_a_name_moves_on() -> None:
    store = Memory()
    await store.pin(announcement(OLD.cid, "path"), [OLD])
    await store.pin(announcement(NEW.cid, "path"), [NEW])
    assert await announced(store) == [NEW.cid]


async def test_what_is_unpinned_is_not_announced_any_more() -> None:
    store = Memory()
    await store.pin(announcement(NEW.cid, "path"), [NEW])
    await store.unpin(NEW.cid)
    assert await announced(store) == []


@pytest.mark.parametrize("length", [PIN_NAME_BYTES_MAX - 1, PIN_NAME_BYTES_MAX])
async def test_a_name_of_any_length_can_be_announced(length: int) -> None:
    store = Memory()
    await store.pin(announcement(NEW.cid, "é" * (length // 2)), [NEW])
    assert await announced(store) == [NEW.cid]


async def test_more_announcements_than_fit_in_a_page_are_all_listed() -> None:
    store = Memory()
    cids = [Cid.of(b"%d" % number) for number in range(2500)]
    await store.pin([announcement(cid, str(cid)) for cid in cids])
    assert set(await announced(store)) == set(cids)
