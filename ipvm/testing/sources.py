"""Sources with chosen faults, and what every source has to do."""

from typing import NoReturn, final

import trio
from trio.testing import assert_checkpoints

from ipvm.errors import IpvmError
from ipvm.exchange import Source
from ipvm.ipld import Block, BlockNotFound, Cid


@final
class Lying:
    """A Source that answers whatever it is asked with the same bytes."""

    def __init__(self, data: bytes = b"a lie") -> None:
        self._data = data

    async def fetch(self, cid: Cid) -> bytes:  # noqa: ARG002  (a liar does not listen)
        """Return the bytes."""
        await trio.lowlevel.checkpoint()
        return self._data


@final
class Failing:
    """A Source that always raises `condition`."""

    def __init__(self, condition: IpvmError) -> None:
        self._condition = condition

    async def fetch(self, cid: Cid) -> NoReturn:  # noqa: ARG002  (nothing would help)
        """Raise the condition."""
        await trio.lowlevel.checkpoint()
        raise self._condition


@final
class Slow:
    """A Source that passes on what another has, after a while.

    Attributes:
        seconds: How long each answer takes.
        asked: The CID of each fetch, in order, when it begins.
        cancelled: How many fetches were cancelled.
    """

    def __init__(self, source: Source, *, seconds: float, name: str = "slow") -> None:
        self.name = name
        self.seconds = seconds
        self.asked: list[Cid] = []
        self.cancelled = 0
        self._source = source

    async def fetch(self, cid: Cid) -> bytes:
        """Return what the other source has, late."""
        self.asked.append(cid)
        try:
            await trio.sleep(self.seconds)
        except trio.Cancelled:
            self.cancelled += 1
            raise
        return await self._source.fetch(cid)


@final
class Gated:
    """A Source that passes on what another has, once its gate is open.

    Attributes:
        gate: Every fetch waits until this is set.
        asked: The CID of each fetch, in order, when it begins.
        waiting: How many fetches are under way.
        waiting_max: How many have been under way at once.
    """

    def __init__(self, source: Source) -> None:
        self.gate = trio.Event()
        self.asked: list[Cid] = []
        self.waiting = 0
        self.waiting_max = 0
        self._source = source

    async def fetch(self, cid: Cid) -> bytes:
        """Return what the other source has, after the gate has opened."""
        self.asked.append(cid)
        self.waiting += 1
        self.waiting_max = max(self.waiting, self.waiting_max)
        try:
            await self.gate.wait()
            return await self._source.fetch(cid)
        finally:
            self.waiting -= 1


async def check_source(source: Source, present: Block, absent: Cid) -> None:
    """Assert that a source keeps its contract.

    Args:
        source: The source.
        present: A block that it has.
        absent: Something that it has not.

    Raises:
        AssertionError: It does not.
    """
    for _ in range(2):
        with assert_checkpoints():
            assert await source.fetch(present.cid) == present.data
    try:
        await source.fetch(absent)
    except BlockNotFound as condition:
        assert condition.cid == absent
    else:
        message = "the condition of absence is BlockNotFound"
        raise AssertionError(message)
    with trio.CancelScope() as scope:
        scope.cancel()
        await source.fetch(present.cid)
    assert scope.cancelled_caught
