"""What a guest looked at last is at hand: looking at it again is cheap, and never free."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import trio

from ipvm.engine import OUT_OF_FUEL, Trap
from ipvm.host import ErrorNumber
from ipvm.host.file_nodes import NODE_AGAIN_FUEL, NODE_FUEL, STRUCTURE_BYTE_FUEL
from ipvm.ipld import DAG_PB, Cid
from ipvm.limits import NODES_AT_HAND_MAX

if TYPE_CHECKING:
    from tests.host.files.conftest import FileGuest

OUT_AT, CID_AT, PATH_AT = 0, 256, 512


async def test_a_node_that_is_at_hand_is_not_got_again_and_costs_little(guest: "FileGuest") -> None:
    async def cost(cid: Cid) -> int:
        before = guest.puppet.world.store.fuel
        assert await guest.read(cid, room=0) == b""
        return before - guest.puppet.world.store.fuel

    cids = [guest.add_file(bytes([number])) for number in range(NODES_AT_HAND_MAX + 1)]
    anew = await cost(cids[0])
    again = await cost(cids[0])
    assert anew - again in range(NODE_FUEL + 1 - NODE_AGAIN_FUEL, NODE_FUEL - NODE_AGAIN_FUEL + 60)
    for cid in cids[1:-1]:
        assert await cost(cid) == anew
    assert await cost(cids[0]) == again
    assert await cost(cids[-1]) == anew  # for which the second one has to go
    assert [await cost(cid) for cid in (cids[0], cids[2], cids[1])] == [again, again, anew]
    assert guest.shelf.opened == [*cids, cids[1]]


async def test_a_block_that_is_no_node_costs_its_bytes_each_time(guest: "FileGuest") -> None:
    cid = guest.shelf.add(bytes(1_000_000), codec=DAG_PB)
    for _ in range(2):
        before = guest.puppet.world.store.fuel
        assert await guest.read(cid) == ErrorNumber.SERIALIZATION
        assert before - guest.puppet.world.store.fuel > 1_000_000 * STRUCTURE_BYTE_FUEL
    assert guest.shelf.opened == [cid, cid]


async def test_large_nodes_are_at_hand_up_to_their_bytes(guest: "FileGuest") -> None:
    shelf = guest.shelf
    cids = [shelf.add(bytes([number]) * 3_000_000) for number in range(3)]
    for cid in (*cids, cids[2], cids[1], cids[0]):
        assert await guest.read(cid, room=1) != b""
    assert shelf.opened == [*cids, cids[0]]


async def test_a_call_by_cid_leaves_nothing_at_hand(guest: "FileGuest") -> None:
    cid = guest.add_file(b"content")
    for _ in range(2):
        assert await guest.read(cid) == b"content"
        assert await guest.puppet.call("call", OUT_AT, CID_AT, PATH_AT, 0, 0, 0, 0) == 0
    assert guest.shelf.opened == [cid, cid]


async def test_looking_at_few_nodes_without_end_uses_up_the_fuel(
    file_guest: "Callable[..., FileGuest]",
) -> None:
    guest = file_guest(fuel=50_000_000)
    with pytest.raises(Trap) as caught:
        await guest.entry(guest.add_endless())
    assert caught.value.code == OUT_OF_FUEL


async def test_looking_at_few_nodes_without_end_can_be_cancelled(
    file_guest: "Callable[..., FileGuest]",
) -> None:
    guest = file_guest(profile="fast")
    with trio.move_on_after(0.05) as scope:
        await guest.entry(guest.add_endless())
    assert scope.cancelled_caught
