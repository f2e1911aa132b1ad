"""Example 03: another dependency by its CID, and the same code."""

from pathlib import Path

import pytest

import ipvm

ROUNDED = [
    ("half-up", [3, 4, -2, 2]),
    ("half-even", [2, 4, -2, 2]),
    ("down", [2, 3, -3, 1]),
]
CENTS = [250, 350, -250, 175]


@pytest.fixture
async def tax(node: ipvm.Node, examples: Path) -> ipvm.Cid:
    return await node.publish(examples / "03-swap" / "tax")


@pytest.mark.parametrize(("rounding", "expected"), ROUNDED)
async def test_the_rounding_can_be_swapped(
    node: ipvm.Node, examples: Path, tax: ipvm.Cid, rounding: str, expected: list[int]
) -> None:
    other = await node.publish(examples / "03-swap" / rounding)
    swapped = await node.load(await node.relink(tax, {"rounding": other}))
    assert [await swapped.tax(cents, 1.0) for cents in CENTS] == expected


async def test_only_the_link_in_the_manifest_changes(
    node: ipvm.Node, examples: Path, tax: ipvm.Cid
) -> None:
    other = await node.publish(examples / "03-swap" / "half-even")
    before = await node.get_value(tax)
    after = await node.get_value(await node.relink(tax, {"rounding": other}))
    assert isinstance(before, dict)
    assert after == {**before, "imports": {"rounding": other}}
    assert after != before


async def test_swapping_back_gives_the_first_cid(
    node: ipvm.Node, examples: Path, tax: ipvm.Cid
) -> None:
    there = await node.relink(tax, {"rounding": examples / "03-swap" / "down"})
    back = await node.relink(there, {"rounding": examples / "03-swap" / "half-up"})
    assert there != tax
    assert back == tax


async def test_a_function_that_does_not_fit_is_refused(
    node: ipvm.Node, examples: Path, tax: ipvm.Cid
) -> None:
    with pytest.raises(ipvm.LinkError, match=r'"rounding"\."round"'):
        await node.relink(tax, {"rounding": examples / "02-link" / "math"})
