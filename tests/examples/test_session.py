"""Example 10: a table that is made once, and calls that find it."""

from pathlib import Path

import pytest

import ipvm


def is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


async def test_it_knows_the_primes(node: ipvm.Node, examples: Path) -> None:
    numbers = [*range(100), *range(999_900, 1_000_000)]
    async with node.session(examples / "10-session") as primes:
        assert [await primes.is_prime(number) for number in numbers] == list(map(is_prime, numbers))
        assert await primes.asked() == len(numbers)


@pytest.mark.parametrize("number", [1_000_000, -1])
async def test_what_it_does_not_know_is_refused_and_it_goes_on(
    node: ipvm.Node, examples: Path, number: int
) -> None:
    async with node.session(examples / "10-session") as primes:
        with pytest.raises(ipvm.GuestError, match="expected a number from 0 to 999999"):
            await primes.is_prime(number)
        assert await primes.is_prime(2) is True
        assert await primes.asked() == 2
