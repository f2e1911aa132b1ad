"""Roots that are announced, for as long as they are roots."""
# ruff: noqa: ARG001 - a test that takes the clock is one in which no real time passes

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from ipvm.errors import Unavailable
from ipvm.exchange.announcing import Announcing
from ipvm.ipld import Block, Cid

AGAIN = 600.0
ROOTS = [Block.of(b"root %d" % number).cid for number in range(5)]


class World:
    """What is to be announced, and what has been, and when."""

    def __init__(self) -> None:
        self.roots: list[Cid] = []
        self.version = 0
        self.listed = 0
        self.said: list[tuple[float, Cid]] = []
        self.is_deaf = False

    def put(self, *roots: Cid) -> None:
        self.roots = [*roots]
        self.version += 1

    async def list_roots(self) -> list[Cid]:
        await trio.lowlevel.checkpoint()
        self.listed += 1
        return self.roots

    async def provide(self, cid: Cid) -> int:
        await trio.sleep(0.1)
        if self.is_deaf:
            raise Unavailable("nobody has taken note")
        self.said.append((trio.current_time(), cid))
        return 3


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def announcing(world: World, nursery: trio.Nursery) -> Announcing:
    announcing = Announcing(
        world.list_roots, world.provide, changes=lambda: world.version, again_seconds=AGAIN
    )
    nursery.start_soon(announcing.run)
    return announcing


async def test_new_roots_are_announced_soon_and_listed_when_they_change(
    world: World, announcing: Announcing, autojump_clock: MockClock
) -> None:
    world.put(*ROOTS[:3])
    await trio.sleep(5)
    assert [cid for _, cid in world.said] == ROOTS[:3]
    assert (announcing.announced, announcing.waiting) == (3, 0)
    listed = world.listed
    world.put(*ROOTS[1:4])
    await trio.sleep(2)
    assert [cid for _, cid in world.said] == ROOTS[:4]
    assert announcing.announced == 3
    assert world.listed == listed + 1


async def test_roots_are_announced_again_before_they_are_forgotten(
    world: World, announcing: Announcing, autojump_clock: MockClock
) -> None:
    world.put(*ROOTS[:2])
    await trio.sleep(2)
    world.put(ROOTS[0])
    await trio.sleep(3 * AGAIN + 10)
    times = [at for at, cid in world.said if cid == ROOTS[0]]
    assert len(times) == 4
    assert max(b - a for a, b in pairwise(times)) < AGAIN + 3
    assert [cid for _, cid in world.said].count(ROOTS[1]) == 1


async def test_what_nobody_notes_is_tried_again_and_told(
    world: World, announcing: Announcing, autojump_clock: MockClock
) -> None:
    world.is_deaf = True
    world.put(*ROOTS)
    await trio.sleep(20)
    assert (announcing.announced, announcing.waiting) == (0, 5)
    assert "nobody has taken note" in str(announcing.problem)
    world.is_deaf = False
    await trio.sleep(60)
    assert (announcing.announced, announcing.waiting) == (5, 0)
    assert announcing.problem is None
