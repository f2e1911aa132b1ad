"""Example 07: an executor made of functions."""

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

import ipvm
import ipvm.sync
from ipvm.store import Memory

TEXTS = [b"one two", b"three", b" four five\n six ", b""]
INTEGERS = st.integers(-(2**63), 2**63 - 1)


class Parts:
    """The functions of the example, published."""

    def __init__(self, node: ipvm.Node, folder: Path) -> None:
        self.node = node
        self.folder = folder

    async def load(self, name: str) -> ipvm.Program:
        return await self.node.load(self.folder / name)

    async def cid(self, name: str) -> ipvm.Cid:
        return await self.node.publish(self.folder / name)

    async def texts(self) -> list[ipvm.Cid]:
        return [await self.node.put(text) for text in TEXTS]


@pytest.fixture
def parts(node: ipvm.Node, examples: Path) -> Parts:
    return Parts(node, examples / "07-executor")


@pytest.mark.parametrize(("reduce", "expected"), [("sum", 6), ("largest", 3)])
async def test_any_function_reduces_what_another_gave(
    parts: Parts, reduce: str, expected: int
) -> None:
    executor = await parts.load("executor")
    words, reduced = await parts.cid("words"), await parts.cid(reduce)
    assert await executor.run(await parts.texts(), words, reduced) == expected


@pytest.mark.parametrize(("reduce", "expected"), [("sum", 0), ("largest", -(2**63))])
async def test_nothing_can_be_reduced_too(parts: Parts, reduce: str, expected: int) -> None:
    executor = await parts.load("executor")
    assert await executor.run([], await parts.cid("words"), await parts.cid(reduce)) == expected


@pytest.mark.parametrize("count", [23, 24, 255, 256, 1000])
async def test_there_may_be_many_inputs(parts: Parts, count: int) -> None:
    executor = await parts.load("executor")
    words, reduced = await parts.cid("words"), await parts.cid("sum")
    inputs = (await parts.texts())[:1] * count
    assert await executor.run(inputs, words, reduced) == 2 * count


async def test_the_receipt_lists_the_inputs_and_what_was_called(parts: Parts) -> None:
    executor = await parts.load("executor")
    inputs, words, reduced = await parts.texts(), await parts.cid("words"), await parts.cid("sum")
    receipt = await executor.run.receipt(inputs, words, reduced)
    assert receipt.value == 6
    assert set(receipt.reads) == {*inputs, words, reduced}


async def test_a_map_that_fails_is_told_from_a_host_call_that_does(parts: Parts) -> None:
    executor = await parts.load("executor")
    words, reduced = await parts.cid("words"), await parts.cid("sum")
    nowhere = ipvm.Block.of(b"nobody has this").cid
    with pytest.raises(ipvm.GuestError, match="a call failed") as caught:
        await executor.run([nowhere], words, reduced)
    assert caught.value.code == 1
    with pytest.raises(ipvm.GuestError, match="a host call failed") as caught:
        await executor.run(await parts.texts(), nowhere, reduced)
    assert caught.value.code == 6


@pytest.mark.parametrize(
    ("inputs", "message"),
    [(None, "expected a list"), ("text", "expected a list"), ([1], "expected a link")],
)
async def test_what_is_no_list_of_links_is_refused(
    parts: Parts, inputs: object, message: str
) -> None:
    executor = await parts.load("executor")
    words, reduced = await parts.cid("words"), await parts.cid("sum")
    with pytest.raises(ipvm.GuestError, match=message):
        await executor.run(inputs, words, reduced)


def test_sum_and_largest_are_those_of_the_integers(examples: Path) -> None:
    with ipvm.sync.open(store=Memory()) as node:
        folder = examples / "07-executor"
        total, largest = node.load(folder / "sum"), node.load(folder / "largest")

        @given(st.lists(INTEGERS, max_size=300))
        def check(numbers: list[int]) -> None:
            assert total.reduce(numbers) == (sum(numbers) + 2**63) % 2**64 - 2**63
            assert largest.reduce(numbers) == max(numbers, default=-(2**63))

        check()


@pytest.mark.parametrize("item", [2**63, -(2**63) - 1, 1.0, "1", None])
async def test_what_is_no_integer_of_64_bits_is_refused(parts: Parts, item: object) -> None:
    total = await parts.load("sum")
    with pytest.raises(ipvm.GuestError, match="expected an integer of 64 bits"):
        await total.reduce([1, item])
