"""Example 06: a function that calls another by CID, and lives with its failure."""

from pathlib import Path

import pytest

import ipvm
from ipvm.ipld import Block

FUEL = 1_000_000
ELSEWHERE = Block.of(b"nobody has this").cid

OUTCOMES: list[tuple[str, int, list[object]]] = [
    ("half", 10, ["ok", 0, 5]),
    ("half", 11, ["abort", 7, None]),
    ("share", 7, ["ok", 0, 14]),
    ("share", 0, ["trap", 0, None]),
    ("countdown", 1000, ["ok", 0, 0]),
    ("countdown", 10**9, ["out-of-fuel", 0, None]),
]


@pytest.fixture
async def tasks(node: ipvm.Node, examples: Path) -> ipvm.Cid:
    return await node.publish(examples / "06-call" / "tasks")


@pytest.fixture
async def careful(node: ipvm.Node, examples: Path) -> ipvm.Program:
    return await node.load(examples / "06-call" / "careful")


@pytest.mark.parametrize(("function", "number", "outcome"), OUTCOMES)
async def test_the_caller_learns_how_it_ended(
    careful: ipvm.Program, tasks: ipvm.Cid, function: str, number: int, outcome: list[object]
) -> None:
    assert await careful.attempt(tasks, function, number, FUEL) == outcome


@pytest.mark.parametrize(
    ("function", "argument", "code"), [("nothing", 10, 1), ("half", "ten", 1), ("half", None, 1)]
)
async def test_what_cannot_be_called_is_an_error_number(
    careful: ipvm.Program, tasks: ipvm.Cid, function: str, argument: object, code: int
) -> None:
    with pytest.raises(ipvm.GuestError, match="there was nothing to call") as caught:
        await careful.attempt(tasks, function, argument, FUEL)
    assert caught.value.code == code


async def test_a_task_that_is_nowhere_is_not_found(careful: ipvm.Program) -> None:
    with pytest.raises(ipvm.GuestError, match="there was nothing to call") as caught:
        await careful.attempt(ELSEWHERE, "half", 10, FUEL)
    assert caught.value.code == 6


async def test_a_call_that_fails_uses_up_its_slice_and_no_more(
    careful: ipvm.Program, tasks: ipvm.Cid
) -> None:
    failed = await careful.attempt.receipt(tasks, "share", 0, FUEL)
    worked = await careful.attempt.receipt(tasks, "share", 7, FUEL)
    assert failed.fuel is not None
    assert worked.fuel is not None
    assert FUEL <= failed.fuel < FUEL + worked.fuel


async def test_the_receipt_lists_what_was_called(careful: ipvm.Program, tasks: ipvm.Cid) -> None:
    receipt = await careful.attempt.receipt(tasks, "half", 11, FUEL)
    assert receipt.error is None
    assert receipt.reads == (tasks,)


async def test_a_task_that_is_called_from_outside_fails_for_good(
    node: ipvm.Node, tasks: ipvm.Cid
) -> None:
    program = await node.load(tasks)
    with pytest.raises(ipvm.GuestError, match="the number is odd") as caught:
        await program.half(11)
    assert (caught.value.kind, caught.value.code) == ("abort", 7)
