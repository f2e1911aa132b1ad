"""Example 02: a function that leaves its arithmetic to another."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

import ipvm
import ipvm.sync
from ipvm.store import Memory

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture
async def poly(node: ipvm.Node, examples: Path) -> ipvm.Program:
    return await node.load(examples / "02-link" / "poly")


@pytest.mark.parametrize("coefficients", [[1.0, 2.0, 3.0], [1, 2, 3], (1, 2.0, 3)])
async def test_coefficients_are_integers_or_floats(
    poly: ipvm.Program, coefficients: list[float]
) -> None:
    assert await poly.eval(coefficients, 2.0) == 17.0


async def test_no_coefficients_make_zero(poly: ipvm.Program) -> None:
    assert await poly.eval([], 2.0) == 0.0


def test_every_number_of_ipld_is_read_as_it_is(examples: Path) -> None:
    with ipvm.sync.open(store=Memory()) as node:
        poly = node.load(examples / "02-link" / "poly")

        @given(st.lists(NUMBERS, max_size=300))
        def check(coefficients: list[float]) -> None:
            assert poly.eval(coefficients, 0.0) == float([*coefficients, 0][0])
            assert poly.eval(coefficients, 1.0) == sum(map(float, coefficients), 0.0)

        check()


@pytest.mark.parametrize("count", [22, 23, 24, 255, 256, 7110])
async def test_a_list_may_be_long(poly: ipvm.Program, count: int) -> None:
    assert await poly.eval([1.5] * count, 1.0) == 1.5 * count


async def test_a_list_of_more_than_64000_bytes_is_refused(poly: ipvm.Program) -> None:
    with pytest.raises(ipvm.GuestError, match="the list has more than 64000 bytes"):
        await poly.eval([1.5] * 7112, 1.0)


@pytest.mark.parametrize("given_", [None, "1, 2, 3", 1, {}, [[1]], [None], ["1"], [True]])
async def test_what_is_no_list_of_numbers_is_refused(poly: ipvm.Program, given_: object) -> None:
    with pytest.raises(ipvm.GuestError, match="expected a list of numbers, the constant first"):
        await poly.eval(given_, 1.0)


async def test_the_arithmetic_is_a_function_of_its_own(node: ipvm.Node, examples: Path) -> None:
    math = await node.load(examples / "02-link" / "math")
    assert await math.multiply_add(2, 3, 4) == 10.0


async def test_the_manifest_names_the_arithmetic_by_its_cid(
    node: ipvm.Node, examples: Path
) -> None:
    published = await node.publication(examples / "02-link" / "poly")
    manifest = await node.get_value(published.cid)
    math = await node.publish(examples / "02-link" / "math")
    assert isinstance(manifest, dict)
    assert manifest["imports"] == {"math": math}
