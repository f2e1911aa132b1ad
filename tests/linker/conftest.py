"""Feed a planner from a library, in whatever order, and run what comes of it."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import pytest

import ipvm
from ipvm.errors import IpvmError
from ipvm.ipld import BlockNotFound, Cid
from ipvm.limits import MEMORY_DEFAULT, Limits
from ipvm.linker import LinkPlan, Planner, Survey, plan, survey
from ipvm.testing import Library

Gathered: TypeAlias = Callable[..., Planner]
Outcome: TypeAlias = LinkPlan | tuple[type[IpvmError], str]


def gather(
    library: Library,
    root: Cid,
    *,
    limits: Limits | None = None,
    chance: random.Random | None = None,
) -> Planner:
    """Feed a planner with what the library has; it must not ask twice for anything."""
    planner = Planner(root, limits=limits or Limits())
    asked: list[Cid] = []
    waiting: list[Cid] = []
    while True:
        news = planner.missing()
        asked += news
        waiting += news
        if not waiting:
            assert len(set(asked)) == len(asked)
            return planner
        cid = waiting.pop(chance.randrange(len(waiting)) if chance else 0)
        if cid in library.blocks:
            planner.feed(library.blocks[cid])
        else:
            planner.absent(BlockNotFound(cid))


@pytest.fixture(scope="session")
def gathered() -> Gathered:
    return gather


@pytest.fixture(scope="session")
def planned() -> Callable[..., LinkPlan]:
    """Gather a root from a library, and plan it."""

    def planned(library: Library, root: Cid, **options: Limits) -> LinkPlan:
        return plan(gather(library, root, limits=options.get("limits")))

    return planned


@pytest.fixture(scope="session")
def surveyed() -> Callable[..., Survey]:
    """Gather a root from a library, and survey it."""

    def surveyed(library: Library, root: Cid) -> Survey:
        return survey(gather(library, root))

    return surveyed


@pytest.fixture(scope="session")
def outcome() -> Callable[[Planner], Outcome]:
    """What planning comes to: the plan, or the class of the error and its message."""

    def outcome(planner: Planner) -> Outcome:
        try:
            return plan(planner)
        except IpvmError as error:
            return type(error), str(error)

    return outcome


@pytest.fixture
def opened() -> Callable[[Library, Cid], AbstractAsyncContextManager[ipvm.Program]]:
    """Load a root from a library."""

    @asynccontextmanager
    async def opened(library: Library, root: Cid, **options: int) -> AsyncIterator[ipvm.Program]:
        async with ipvm.open(store=await library.store()) as node:
            yield await node.load(root, memory=options.get("memory", MEMORY_DEFAULT))

    return opened
