"""Example 04: two functions that share a third, and its state."""

from pathlib import Path

import ipvm

DIAMOND = "04-diamond"


async def test_both_sides_count_with_one_counter(node: ipvm.Node, examples: Path) -> None:
    top = await node.load(examples / DIAMOND / "top")
    assert await top.run() == [1, 3, 4]


async def test_the_next_invocation_begins_to_count_again(node: ipvm.Node, examples: Path) -> None:
    top = await node.load(examples / DIAMOND / "top")
    assert await top.run() == await top.run() == [1, 3, 4]


async def test_the_counter_stands_in_the_program_once(node: ipvm.Node, examples: Path) -> None:
    closure = await node.survey(examples / DIAMOND / "top")
    counter = await node.publish(examples / DIAMOND / "counter")
    assert len(closure.nodes) == 4
    assert [cid for cid, found in closure.nodes.items() if not found.dependencies] == [counter]


async def test_a_counter_with_another_cid_counts_for_itself(
    node: ipvm.Node, examples: Path
) -> None:
    bare = await node.publish(examples / DIAMOND / "counter" / "counter.wat")
    right = await node.relink(examples / DIAMOND / "right", {"counter": bare})
    top = await node.load(await node.relink(examples / DIAMOND / "top", {"right": right}))
    assert await top.run() == [1, 2, 2]
