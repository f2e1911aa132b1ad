"""Calls that wait: what they cost, and how they end when somebody else ends them."""

import struct
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import ipvm
from ipvm.engine import Postponed
from ipvm.errors import Refused
from ipvm.host import Attendant, CallOutcome, OpenBlock, Services
from ipvm.ipld import RAW, Block, BlockNotFound, Cid
from ipvm.limits import CALL_DEPTH_MAX
from ipvm.runtime import executor
from ipvm.runtime.abi import Operand, Result
from ipvm.runtime.brief import run_at_once
from ipvm.runtime.entry import Entry
from ipvm.runtime.replay import Replay, Unanswered
from ipvm.runtime.run import Run
from ipvm.runtime.task import Execution, Task
from ipvm.testing import Library

Step: TypeAlias = tuple[str, tuple[int | bytes, ...], tuple[int, ...], int]
Scripted: TypeAlias = Callable[[Sequence[Step]], bytes]

LARGE_MEMORY: Final = 2**40
"""Of which the deepest of many calls has a part that suffices."""


class Source:
    """A source of a few blocks, that gives them when its gate is open, and counts."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.gate = trio.Event()
        self.fetches: Counter[Cid] = Counter()
        self._blocks = {block.cid: block for block in blocks}

    async def fetch(self, cid: Cid) -> bytes:
        self.fetches[cid] += 1
        await self.gate.wait()
        if cid not in self._blocks:
            raise BlockNotFound(cid)
        return self._blocks[cid].data


def opening(cid: Cid) -> Step:
    return ("open", (bytes(cid),), (), 1)


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """Count how often functions are run, by the size of what they get."""
    counted: Counter[int] = Counter()
    on_fiber = executor._run_on_fiber

    def count(operands: Sequence[Operand]) -> None:
        assert isinstance(operands[0], OpenBlock)
        counted[len(operands[0].data)] += 1

    def run_counted(
        entry: Entry,
        operands: Sequence[Operand],
        *,
        fuel: int | None,
        memory: int,
        attendant: Attendant | None,
    ) -> tuple[list[Result], int | None]:
        count(operands)
        return run_at_once(entry, operands, fuel=fuel, memory=memory, attendant=attendant)

    async def run_counted_on_fiber(task: Task, services: Services) -> Execution:
        count(task.operands)
        return await on_fiber(task, services)

    monkeypatch.setattr(executor, "run_at_once", run_counted)
    monkeypatch.setattr(executor, "_run_on_fiber", run_counted_on_fiber)
    return counted


@pytest.mark.parametrize(("waits", "runs_each"), [(0, 2), (1, 3), (3, 5), (5, 6)])
async def test_each_of_a_chain_of_callers_is_run_again_for_its_own_waits_alone(
    waits: int,
    runs_each: int,
    attempts: Counter[int],
    library: Library,
    player: Cid,
    scripted: Scripted,
) -> None:
    """The function that is called is awaited while its caller is not there."""
    blocks = [Block.of(b"%d of %d" % (n, waits)) for n in range(waits * (CALL_DEPTH_MAX + 1))]
    script = scripted([])
    for level in range(CALL_DEPTH_MAX):
        steps: list[Step] = [
            opening(block.cid) for block in blocks[level * waits : (level + 1) * waits]
        ]
        handle = struct.pack("<I", waits + 2)
        steps += [
            ("create", (script, len(script)), (RAW,), 1),
            ("call", (bytes(player), b"play", 4, handle, 1), (0,), 1),
        ]
        script = scripted(steps)
    source = Source(blocks)
    source.gate.set()
    async with ipvm.open(store=await library.store(), sources=[source]) as node:
        program = await node.load(player, memory=LARGE_MEMORY)
        receipt = await program.play.receipt(script)
    assert receipt.error is None
    assert set(receipt.reads) == {*source.fetches, player}
    assert len(source.fetches) == waits * CALL_DEPTH_MAX
    assert set(source.fetches.values()) <= {1}
    assert len(attempts) == CALL_DEPTH_MAX + 1
    assert max(attempts.values()) <= runs_each


@pytest.mark.parametrize("waits", [1, 2, 5, 6, 7])
@pytest.mark.parametrize("form", ["plain", "receipt"])
async def test_a_call_that_is_cancelled_where_it_waits_leaves_nothing_and_can_be_made_again(
    waits: int, form: str, library: Library, player: Cid, scripted: Scripted
) -> None:
    blocks = [Block.of(b"wait %d" % number) for number in range(waits)]
    before, last = blocks[:-1], blocks[-1]
    script = scripted([("log", (b"once", 4), (), 1), *(opening(block.cid) for block in blocks)])
    source = Source([last])
    said: list[str] = []
    store = await library.store()
    await store.put_many(before)
    async with ipvm.open(
        store=store, sources=[source], on_log=lambda _, text: said.append(text)
    ) as node:
        program = await node.load(player)
        call = program.play.receipt if form == "receipt" else program.play
        for round_ in range(1, 4):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call, script)
                await wait_all_tasks_blocked()
                assert source.fetches[last.cid] == round_
                nursery.cancel_scope.cancel()
        source.gate.set()
        await call(script)
    assert said == ["once"] * 4


class Planned(BaseException):
    """What the test raises."""


@pytest.mark.parametrize("condition", [Planned, KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("waits", [0, 1, 6])
@pytest.mark.parametrize("form", ["plain", "receipt"])
async def test_what_the_taker_of_messages_raises_is_raised_and_the_next_call_is_as_ever(
    condition: type[BaseException],
    waits: int,
    form: str,
    library: Library,
    scripted: Scripted,
    cids: Mapping[str, Cid],
) -> None:
    faults = [True, False, True, False]
    said: list[str] = []

    def take(_cid: Cid, text: str) -> None:
        said.append(text)
        if text == "second" and faults.pop(0):
            raise condition

    steps: list[Step] = [("log", (b"first", 5), (), 1)]
    steps += [opening(cids[f"small {number}"]) for number in range(waits)]
    steps += [("log", (b"second", 6), (), 1), ("log", (b"third", 5), (), 1)]
    script = scripted(steps)
    async with ipvm.open(store=await library.store(), on_log=take) as node:
        program = await node.load(cids["player"])
        call = program.play.receipt if form == "receipt" else program.play
        for faulty in tuple(faults):
            said.clear()
            if faulty:
                with pytest.raises(condition):
                    await call(script)
            else:
                await call(script)
            assert said == ["first", "second", "third"][: 2 if faulty else 3]


class Shelf:
    """Services that have one block for whatever is asked."""

    async def open(self, cid: Cid) -> Block:
        return Block(cid, b"")

    async def call(
        self, _cid: Cid, _function: str, _arguments: list[OpenBlock | None], _fuel: int | None
    ) -> CallOutcome:
        return CallOutcome(exit=0)

    async def keep(self, block: Block) -> None:
        raise NotImplementedError

    def log(self, guest: int, message: str) -> None:
        raise NotImplementedError

    def cid_of(self, guest: int) -> Cid:
        raise NotImplementedError


async def test_a_guest_that_asks_for_something_else_the_second_time_is_not_given_the_answer(
    node: ipvm.Node,
) -> None:
    """None does, unless the machine has less room for its memory than the first time."""
    run = Run(node._runtime.blocks, lambda _, __: None, limits=ipvm.Limits())
    replay = Replay(Shelf(), run)
    asked, other = Cid.of(b""), Cid.of(b"other")
    replay.begin()
    with pytest.raises(Unanswered):
        await replay.open(asked)
    await replay.get_answer()
    replay.begin()
    assert (await replay.open(asked)).cid == asked
    replay.begin()
    with pytest.raises(Refused, match="asked"):
        await replay.open(other)
    replay.begin()
    with pytest.raises(Refused, match="asked"), suppress(Postponed):
        await replay.call(asked, "f", [], 1)


async def test_what_a_guest_made_is_not_held_while_it_waits(node: ipvm.Node) -> None:
    """Ten thousand may wait, each of which has made a megabyte."""
    run = Run(node._runtime.blocks, lambda _, __: None, limits=ipvm.Limits())

    data = bytes(1_000_000)
    known = sys.getrefcount(data)

    class Looking(Shelf):
        held = 0

        async def open(self, cid: Cid) -> Block:
            self.held = sys.getrefcount(data) - known
            return await super().open(cid)

    shelf = Looking()
    replay = Replay(shelf, run)
    replay.begin()
    await replay.keep(Block.of(data))
    assert sys.getrefcount(data) > known
    with pytest.raises(Unanswered):
        await replay.open(Cid.of(b""))
    await replay.get_answer()
    assert shelf.held == 0
