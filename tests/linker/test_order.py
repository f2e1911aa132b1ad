"""The order in which blocks arrive cannot be observed."""

import random
from collections.abc import Callable
from typing import Any

from hypothesis import given, strategies as st

from ipvm.ipld import DAG_CBOR, DAG_JSON, Block, Cid
from ipvm.limits import Limits
from ipvm.linker import Planner, survey
from ipvm.testing import Library

FAULTS = (
    *(["none"] * 8),
    "absent",
    "absent code",
    "no code",
    "no manifest",
    "other type",
    "no such export",
    "not served",
)


def module(imports: list[str], fault: str, number: int) -> str:
    """A module with one import from each of the names, all of which export `f`."""
    result = "i64" if fault == "other type" else "i32"
    name = "g" if fault == "no such export" else "f"
    extra = '(import "nowhere" "f" (func))' if fault == "not served" else ""
    wanted = "".join(f'(import "{each}" "{name}" (func (result {result})))' for each in imports)
    return f'(module {wanted}{extra} (func (export "f") (result i32) (i32.const {number})))'


@st.composite
def closures(draw: st.DrawFn) -> tuple[Library, Cid]:
    """A library and its last function, which may depend on any of the others."""
    library = Library()
    made: list[Cid] = []
    for number in range(draw(st.integers(1, 8))):
        fault = draw(st.sampled_from(FAULTS))
        serving = draw(st.lists(st.sampled_from(made), max_size=3)) if made else []
        bare = draw(st.booleans())
        names = [str(cid) if bare else f"i{place}" for place, cid in enumerate(serving)]
        code = library.code(module(names, fault, number))
        if fault == "no code":
            code = library.keep(Block.of(b"no code %d" % number))
        codec = draw(st.sampled_from([DAG_CBOR, DAG_JSON]))
        cid = (
            code
            if bare
            else library.manifest(code, dict(zip(names, serving, strict=True)), codec=codec)
        )
        if fault == "no manifest" and not bare:
            cid = library.keep(Block.encode({"ipvm": "nothing", "n": number}))
        if fault == "absent":
            del library.blocks[cid]
        elif fault == "absent code":
            del library.blocks[code]
        made.append(cid)
    return library, made[-1]


LIMITS = st.builds(
    Limits,
    closure_modules_max=st.sampled_from([1, 3, 5, 10_000]),
    closure_bytes_max=st.sampled_from([60, 300, 600, 2**30]),
    closure_depth_max=st.sampled_from([1, 3, 10_000]),
)


@given(closure=closures(), chance=st.randoms(use_true_random=False), limits=LIMITS)
def test_the_plan_or_the_error_is_the_same_whatever_arrives_first(
    closure: tuple[Library, Cid],
    chance: random.Random,
    limits: Limits,
    gathered: Callable[..., Planner],
    outcome: Callable[[Planner], Any],
) -> None:
    library, root = closure
    expected = outcome(gathered(library, root, limits=limits))
    found = outcome(gathered(library, root, limits=limits, chance=chance))
    assert found == expected


@given(closure=closures(), chance=st.randoms(use_true_random=False))
def test_the_survey_tells_the_problems_in_the_order_of_the_program(
    closure: tuple[Library, Cid],
    chance: random.Random,
    gathered: Callable[..., Planner],
) -> None:
    library, root = closure
    expected = survey(gathered(library, root))
    found = survey(gathered(library, root, chance=chance))
    assert list(found.nodes) == list(expected.nodes)
    for cid, node in expected.nodes.items():
        assert [str(each) for each in found.nodes[cid].problems] == [str(e) for e in node.problems]
