"""The memory of an invocation is shared among the memories of a program, and ends exactly there."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from hypothesis import given, strategies as st

import ipvm
from ipvm.errors import LimitExceeded
from ipvm.ipld import Cid
from ipvm.limits import TABLE_ELEMENTS_MAX
from ipvm.linker import LinkPlan, recipe_of
from ipvm.linker.bounds import memory_share, share, table_share
from ipvm.testing import Library

Opened = Callable[..., AbstractAsyncContextManager[ipvm.Program]]
Planned = Callable[..., LinkPlan]

PAGE = 65_536
GROWER = """(module {name} (memory {bounds})
  (func (export "grown") (result i32)
    (loop $again (br_if $again (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0))))
    (memory.size)))"""


def growers(library: Library, *bounds: str) -> Cid:
    """A program with these memories; its functions grow one each as far as it goes."""
    cids = {
        f"g{number}": library.manifest(GROWER.format(name=f"$g{number}", bounds=each))
        for number, each in enumerate(bounds)
    }
    imports = "".join(f'(import "{name}" "grown" (func ${name} (result i32)))' for name in cids)
    exports = "".join(f'(export "{name}" (func ${name}))' for name in cids)
    together = "".join(f"(i32.add (call ${name}))" for name in cids)
    text = (
        f'(module {imports} {exports} (func (export "all") (result i32) (i32.const 0) {together}))'
    )
    return library.manifest(text, cids)


@given(st.lists(st.none() | st.integers(0, 50), max_size=8), st.integers(0, 200))
def test_a_share_is_the_largest_that_stays_within_the_budget(
    largest: list[int | None], budget: int
) -> None:
    def taken(most: int) -> int:
        return sum(most if bound is None else min(bound, most) for bound in largest)

    found = share(largest, budget)
    assert taken(found) <= budget
    assert taken(found + 1) > budget or found == budget


@pytest.mark.parametrize(
    ("bounds", "budget", "pages"),
    [
        (["1"], 10 * PAGE, [10]),
        (["1"], 10 * PAGE + PAGE - 1, [10]),
        (["1"], PAGE, [1]),
        (["1", "1"], 10 * PAGE, [5, 5]),
        (["1", "1"], 11 * PAGE, [5, 5]),
        (["1 2", "1"], 10 * PAGE, [2, 8]),
        (["1 2", "3", "0"], 10 * PAGE, [2, 4, 4]),
        (["2 2", "3 3", "4 4"], 9 * PAGE, [2, 3, 4]),
        (["1 100"], 10 * PAGE, [10]),
        (["0 0", "0"], 3 * PAGE, [0, 3]),
    ],
)
async def test_memory_grows_to_its_share_and_not_a_page_further(
    bounds: list[str], budget: int, pages: list[int], opened: Opened
) -> None:
    library = Library()
    async with opened(library, growers(library, *bounds), memory=budget) as program:
        found = [await program[f"g{number}"]() for number in range(len(bounds))]
        assert found == pages
        assert await program.all() == sum(pages)


@pytest.mark.parametrize(
    ("bounds", "needed"), [(["3"], 3), (["2", "1"], 4), (["2 2", "1 1"], 3), (["1 2", "5"], 5)]
)
async def test_a_program_that_does_not_start_within_the_memory_names_it(
    bounds: list[str], needed: int, opened: Opened
) -> None:
    library = Library()
    root = growers(library, *bounds)
    async with opened(library, root, memory=needed * PAGE - 1) as program:
        for call in (program.all, program.all.receipt):
            with pytest.raises(
                LimitExceeded, match=r"the limit memory is \d+ .*--memory"
            ) as caught:
                await call()
            assert (caught.value.limit, caught.value.maximum) == ("memory", needed * PAGE - 1)


async def test_a_memory_that_is_imported_counts_once(opened: Opened) -> None:
    library = Library()
    owner = library.manifest('(module (memory (export "m") 4))')
    root = library.manifest(
        '(module (import "o" "m" (memory 4)) (func (export "size") (result i32) (memory.size)))',
        {"o": owner},
    )
    async with opened(library, root, memory=4 * PAGE) as program:
        assert await program.size() == 4


async def test_a_program_without_a_memory_needs_none(opened: Opened) -> None:
    library = Library()
    async with opened(library, library.code('(module (func (export "f")))'), memory=1) as program:
        assert await program.f() is None


@given(st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 9)), max_size=5))
def test_a_program_that_starts_has_room_for_what_it_starts_with(
    planned: Planned, pages: list[tuple[int, int | None]]
) -> None:
    bounds = [(low, None if extra is None else low + extra) for low, extra in pages]
    text = "".join(f"(memory {low} {'' if high is None else high})" for low, high in bounds)
    library = Library()
    plan = planned(library, library.code(f"(module {text})"))
    for budget in range(0, 40 * PAGE, PAGE):
        try:
            most = memory_share(recipe_of(plan).memories, budget)
        except LimitExceeded:
            assert sum(low for low, _ in bounds) * PAGE > budget or len(bounds) > 1
            continue
        assert all(low * PAGE <= most for low, _ in bounds)
        taken = sum(most if high is None else min(high * PAGE, most) for _, high in bounds)
        assert taken <= budget


def test_tables_are_bounded_together(planned: Planned) -> None:
    library = Library()
    fits = planned(library, library.code(f"(module (table {TABLE_ELEMENTS_MAX} funcref))"))
    assert table_share(recipe_of(fits).tables) == TABLE_ELEMENTS_MAX
    two = planned(library, library.code("(module (table 1 funcref) (table 1 funcref))"))
    assert table_share(recipe_of(two).tables) == TABLE_ELEMENTS_MAX // 2
    large = planned(library, library.code(f"(module (table {TABLE_ELEMENTS_MAX + 1} funcref))"))
    with pytest.raises(LimitExceeded, match=f"table_elements is {TABLE_ELEMENTS_MAX}"):
        table_share(recipe_of(large).tables)
    half = TABLE_ELEMENTS_MAX // 2
    text = f"(module (table {half} {half} funcref) (table {half + 1} {half + 1} funcref))"
    with pytest.raises(LimitExceeded, match="table_elements"):
        table_share(recipe_of(planned(library, library.code(text))).tables)


async def test_a_program_whose_tables_are_too_large_is_refused_when_it_is_loaded(
    opened: Opened,
) -> None:
    library = Library()
    root = library.code(f'(module (table {2**32 - 1} funcref) (func (export "f")))')
    with pytest.raises(LimitExceeded, match="table_elements"):
        async with opened(library, root):
            pass


async def test_a_table_grows_to_its_share_and_not_an_element_further(opened: Opened) -> None:
    library = Library()
    root = library.code("""(module (table $a 0 funcref) (table $b 0 10 funcref)
      (func (export "grow") (param i32) (result i32)
        (table.grow $a (ref.null func) (local.get 0))))""")
    async with opened(library, root) as program:
        assert await program.grow(TABLE_ELEMENTS_MAX - 10) == 0
        assert await program.grow(TABLE_ELEMENTS_MAX - 9) == -1
