"""A closure is bounded in each direction, and says by what and how that can be changed."""

from collections.abc import Callable

import pytest

from ipvm.errors import LimitExceeded
from ipvm.ipld import DAG_CBOR, Block, Cid
from ipvm.limits import Limits
from ipvm.linker import LinkPlan, Planner, plan
from ipvm.testing import Library

Planned = Callable[..., LinkPlan]

LEAF = '(module (func (export "f") (result i32) (i32.const 7)))'
ABSENT = Cid.of(b"nobody has this")
ABSENT_RECORD = Cid(ABSENT.digest, codec=DAG_CBOR)


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def chain(library: Library, length: int) -> Cid:
    last = library.manifest(LEAF)
    for number in range(length - 1):
        text = f'(module (import "leaf" "f" (func (result i32))) (export "f" (func 0)) (memory {number}))'
        last = library.manifest(text, {"leaf": last})
    return last


def assert_bound(planned: Planned, name: str, count: int, closure: tuple[Library, Cid]) -> None:
    """A closure of `count` is taken at that bound, and refused at the next lower one."""
    assert planned(*closure, limits=Limits(**{name: count})).root.cid == closure[1]
    with pytest.raises(LimitExceeded) as caught:
        planned(*closure, limits=Limits(**{name: count - 1}))
    assert (caught.value.limit, caught.value.maximum) == (name, count - 1)
    assert f"the limit {name} is {count - 1}" in str(caught.value)
    assert f"--limit {name}=VALUE" in str(caught.value)
    assert "ipvm.open(limits=" in str(caught.value)


def test_the_modules_of_a_closure_are_bounded(planned: Planned) -> None:
    library = Library()
    assert_bound(planned, "closure_modules_max", 7, (library, chain(library, 7)))


def test_the_depth_of_a_closure_is_bounded(planned: Planned) -> None:
    library = Library()
    assert_bound(planned, "closure_depth_max", 7, (library, chain(library, 7)))


def test_the_bytes_of_a_closure_are_bounded(planned: Planned) -> None:
    library = Library()
    root = chain(library, 7)
    size = sum(len(block.data) for block in library.blocks.values())
    assert_bound(planned, "closure_bytes_max", size, (library, root))


def test_a_piece_that_is_repeated_counts_each_time(planned: Planned) -> None:
    library = Library()
    code = library.blocks[library.code(LEAF)].data
    zeros = library.keep(Block.of(bytes(10_000)))
    section = varint(3) + b"pad" + bytes(40_000)
    head = library.keep(Block.of(code + b"\0" + varint(len(section)) + varint(3) + b"pad"))
    file = library.joined([head, *[zeros] * 4])
    size = len(library.blocks[head].data) + 40_000
    assert size > sum(len(block.data) for block in library.blocks.values())
    assert_bound(planned, "closure_bytes_max", size, (library, file))
    assert_bound(planned, "module_bytes_max", size, (library, file))


def test_the_imports_and_exports_of_a_closure_are_bounded_together(planned: Planned) -> None:
    library = Library()
    assert_bound(planned, "closure_entries_max", 7 + 6, (library, chain(library, 7)))


def test_an_entry_that_nobody_uses_counts_as_one(planned: Planned) -> None:
    library = Library()
    root = library.manifest(LEAF, {"a": ABSENT, "b": ABSENT_RECORD})
    assert_bound(planned, "closure_modules_max", 3, (library, root))


def test_a_closure_that_is_too_large_is_not_fetched_to_the_end() -> None:
    library = Library()
    codes = [Cid.of(b"%d" % number) for number in range(20)]
    root = library.manifest(LEAF, {f"i{number}": cid for number, cid in enumerate(codes)})
    planner = Planner(root, limits=Limits(closure_modules_max=20))
    assert planner.missing() == (root,)
    planner.feed(library.blocks[root])
    assert planner.missing() == ()
    assert planner.exceeded is not None


def test_the_pieces_of_a_file_are_bounded_before_they_are_fetched() -> None:
    library = Library()
    file = library.joined([Cid.of(b"%d" % number) for number in range(70_000)])
    planner = Planner(file, limits=Limits())
    assert planner.missing() == (file,)
    planner.feed(library.blocks[file])
    assert planner.missing() == ()
    with pytest.raises(LimitExceeded, match="unixfs_nodes"):
        plan(planner)


def test_a_hundred_thousand_imports_are_refused_by_their_number(planned: Planned) -> None:
    library = Library()
    entry = b"\1a\1b\0\0"
    types = b"\1\4\1\x60\0\0"
    section = varint(100_000) + entry * 100_000
    data = b"\0asm\1\0\0\0" + types + b"\2" + varint(len(section)) + section
    code = library.keep(Block.of(data))
    with pytest.raises(LimitExceeded, match="module_imports_max is 10000"):
        planned(library, code)


def test_ten_thousand_imports_are_looked_at(planned: Planned) -> None:
    library = Library()
    leaf = library.manifest('(module (func (export "f")))')
    wanted = '(import "leaf" "f" (func))' * 10_000
    root = library.manifest(f"(module {wanted})", {"leaf": leaf})
    assert len(planned(library, root).root.servers) == 10_000
