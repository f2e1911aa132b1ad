"""Example 01: numbers and text into a function, and out of it."""

from pathlib import Path

import pytest

import ipvm


@pytest.fixture
async def first(node: ipvm.Node, examples: Path) -> ipvm.Program:
    return await node.load(examples / "01-first")


async def test_numbers_come_and_go_as_numbers(first: ipvm.Program) -> None:
    assert await first.add(2, 3) == 5
    assert await first.add(2**31 - 1, 1) == -(2**31)


async def test_fibonacci_numbers_are_the_sums_of_the_two_before(first: ipvm.Program) -> None:
    expected = [0, 1]
    while len(expected) < 93:
        expected.append(expected[-1] + expected[-2])
    assert [await first.fib(n) for n in range(93)] == expected


@pytest.mark.parametrize("n", [-1, 93])
async def test_a_fibonacci_number_that_does_not_fit_is_refused(first: ipvm.Program, n: int) -> None:
    with pytest.raises(ipvm.GuestError, match="expected a number from 0 to 92"):
        await first.fib(n)


@pytest.mark.parametrize("name", ["World", "", "Zoë", "x" * 1000])
async def test_everybody_is_greeted(first: ipvm.Program, name: str) -> None:
    assert await first.greet(name) == f"Hello, {name}!"


@pytest.mark.parametrize(
    ("name", "message"), [("x" * 1001, "more than 1000 bytes"), (None, "there is no name")]
)
async def test_who_has_no_name_or_too_much_of_one_is_not_greeted(
    first: ipvm.Program, name: str | None, message: str
) -> None:
    with pytest.raises(ipvm.GuestError, match=message) as caught:
        await first.greet(name)
    assert (caught.value.kind, caught.value.code) == ("abort", 1)


async def test_the_code_runs_without_a_manifest(node: ipvm.Node, examples: Path) -> None:
    code = await node.load(examples / "01-first" / "first.wat")
    assert await code.add(2, 3) == 5
