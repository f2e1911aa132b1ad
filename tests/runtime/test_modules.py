"""Modules are kept for the next program, up to a number of bytes, and shared while they are in use."""

import gc
from weakref import ref

import pytest

import ipvm
from ipvm.engine import CompiledModule, compile_now, engine_for, text_to_module
from ipvm.ipld import Cid
from ipvm.limits import Limits
from ipvm.runtime.modules import Modules
from ipvm.testing import Library

CIDS = [Cid.of(bytes([number])) for number in range(6)]
ONE = '(module (func (export "one") (result i32) (i32.const {})))'
LINK = '(module (import "leaf" "one" (func $one (result i32))) (export "{}" (func $one)))'


def module() -> CompiledModule:
    return compile_now(engine_for("deterministic"), text_to_module("(module)"))


SIZE = module().size


@pytest.mark.parametrize(
    ("more", "kept"), [(0, [2, 3, 4]), (SIZE - 1, [2, 3, 4]), (SIZE, [1, 2, 3, 4])]
)
def test_what_was_used_last_is_kept_up_to_the_bound(more: int, kept: list[int]) -> None:
    modules = Modules(bytes_max=3 * SIZE + more)
    for cid in CIDS[:5]:
        modules.use(cid, "deterministic", module())
    assert [n for n in range(6) if modules.get(CIDS[n], "deterministic") is not None] == kept
    assert modules.kept_bytes == len(kept) * SIZE


def test_using_a_module_again_keeps_it_and_counts_it_once() -> None:
    modules = Modules(bytes_max=2 * SIZE)
    first = module()
    for cid, each in ((CIDS[0], first), (CIDS[1], module()), (CIDS[0], first), (CIDS[2], module())):
        modules.use(cid, "deterministic", each)
    assert modules.get(CIDS[0], "deterministic") is first
    assert modules.get(CIDS[1], "deterministic") is None
    assert modules.kept_bytes == 2 * SIZE


def test_a_module_that_is_in_use_is_at_hand_though_there_is_no_room() -> None:
    modules = Modules(bytes_max=0)
    used = module()
    modules.use(CIDS[0], "deterministic", used)
    assert modules.kept_bytes == 0
    assert modules.get(CIDS[0], "deterministic") is used
    gone = ref(used)
    del used
    gc.collect()
    assert gone() is None
    assert modules.get(CIDS[0], "deterministic") is None


def test_profiles_have_modules_of_their_own() -> None:
    modules = Modules(bytes_max=SIZE)
    modules.use(CIDS[0], "deterministic", module())
    assert modules.get(CIDS[0], "fast") is None


async def test_a_module_outlives_its_program() -> None:
    library = Library()
    leaf, other = library.code(ONE.format(1)), library.code(ONE.format(2))
    roots = [library.manifest(LINK.format(name), {"leaf": leaf}) for name in "ab"]
    limits = Limits(loaded_programs_max=1)
    async with ipvm.open(store=await library.store(), limits=limits, cache=False) as node:
        for root in (roots[0], other):
            await node.load(root)
        gc.collect()
        modules = node._runtime._programs._modules
        before = modules.get(leaf, "deterministic")
        assert before is not None
        program = await node.load(roots[1])
        assert modules.get(leaf, "deterministic") is before
        assert await program.b() == 1


async def test_programs_go_when_their_machine_code_takes_too_much() -> None:
    library = Library()
    roots = [library.code(ONE.format(number)) for number in range(4)]
    async with ipvm.open(store=await library.store()) as node:
        size = (await node.load(roots[0]))._loaded.program.machine_code_bytes
    for bytes_max, kept in ((2 * size, 2), (3 * size - 1, 2), (size, 1), (0, 1)):
        limits = Limits(loaded_bytes_max=bytes_max)
        async with ipvm.open(store=await library.store(), limits=limits) as node:
            for number, root in enumerate(roots):
                assert await (await node.load(root)).one() == number
            known = node._runtime._programs
            assert [known.loaded(root, "deterministic") is not None for root in roots] == [
                False
            ] * (4 - kept) + [True] * kept
