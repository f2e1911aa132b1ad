"""Programs that come over a link on which every answer takes 50 ms. The clock jumps over the waits."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock

import ipvm
from ipvm.ipld import Cid
from ipvm.store import Memory
from ipvm.testing import Library

if TYPE_CHECKING:
    from tests.exchange.gateway.conftest import Request, Server

MODULES = 1000
LATENCY_SECONDS = 0.05
SECONDS_MAX = 3.0


def far(server: "Server") -> None:
    """Let every answer take its time."""

    async def answer(request: "Request") -> None:
        await trio.sleep(LATENCY_SECONDS)
        await server.answer(request)

    server.always = answer


def chain(library: Library) -> Cid:
    """A thousand functions, each of which imports the next."""
    below = library.manifest('(module (func (export "f")))')
    for _ in range(MODULES - 1):
        below = library.manifest(
            '(module (import "next" "f" (func)) (func (export "f")))', imports={"next": below}
        )
    return below


def star(library: Library) -> Cid:
    """A function that imports a thousand others, each with code of its own."""
    others = {
        f"m{n}": library.manifest(f'(module (func (export "f") (drop (i32.const {n}))))')
        for n in range(MODULES - 1)
    }
    imports = "".join(f'(import "{name}" "f" (func))' for name in others)
    return library.manifest(f"(module {imports})", imports=others)


@pytest.mark.parametrize(("shape", "form"), [(chain, "car"), (star, "car"), (star, "raw")])
async def test_a_thousand_modules_come_in_three_seconds(
    shape: Callable[[Library], Cid], form: str, server: "Server", clock: MockClock
) -> None:
    clock.autojump_threshold = 0.01
    library = Library()
    root = shape(library)
    server.keep(*library.blocks.values())
    server.serves_cars = form == "car"
    far(server)
    began = trio.current_time()
    async with ipvm.open(store=Memory(), sources=[server.url], cache=False) as node:
        survey = await node.survey(root)
        assert trio.current_time() - began <= SECONDS_MAX
        assert survey.problem is None
        assert len(server.asked) == (2 if form == "car" else len(library.blocks) + 1)


async def test_what_is_pinned_comes_in_one_answer(server: "Server") -> None:
    library = Library()
    root = library.joined([library.keep(ipvm.Block.of(b"%d" % n)) for n in range(100)])
    server.keep(*library.blocks.values())
    async with ipvm.open(store=Memory(), sources=[server.url], cache=False) as node:
        pinned = await node.pins.add(root)
        assert (pinned.blocks, len(server.asked)) == (101, 2)
        assert (await node.collect_garbage()).freed.blocks == 0


async def test_what_lies_at_the_end_of_a_path_comes_in_one_answer(server: "Server") -> None:
    leaves = [ipvm.Block.of(b"%d" % n) for n in range(20)]
    below = ipvm.Block.encode([leaf.cid for leaf in leaves])
    root = ipvm.Block.encode({"a b": below.cid, "other": Cid.of(b"not here")})
    server.keep(root, below, *leaves)
    store = Memory()
    async with ipvm.open(store=store, sources=[server.url], cache=False) as node:
        assert await node.blocks.fetch_ahead(root.cid, ["a b"]) == root
    assert (await store.statistics()).blocks == 22
    assert server.asked[1:] == [f"/ipfs/{root.cid}/a%20b?format=car&dag-scope=all"]


async def test_a_dag_is_exported_from_one_answer(server: "Server", tmp_path: Path) -> None:
    leaves = [ipvm.Block.of(b"%d" % n) for n in range(20)]
    root = ipvm.Block.encode([leaf.cid for leaf in leaves])
    server.keep(root, *leaves)
    async with ipvm.open(store=Memory(), sources=[server.url], cache=False) as node:
        assert (await node.cars.export(root.cid, tmp_path / "dag.car")).blocks == 21
    assert len(server.asked) == 2


async def test_a_program_that_nobody_has_is_not_found(server: "Server") -> None:
    async with ipvm.open(store=Memory(), sources=[server.url], cache=False) as node:
        with pytest.raises(ipvm.NotFound):
            await node.load(Cid.of(b"absent", codec=0x71))
    assert len(server.asked) == 1
