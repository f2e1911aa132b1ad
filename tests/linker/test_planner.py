"""A planner asks for what a program consists of, once, and for nothing else."""

from collections.abc import Callable, Sequence

import pytest

from ipvm.errors import IpvmError, LinkError
from ipvm.files import file_blocks
from ipvm.files.profiles import V1_2025
from ipvm.ipld import DAG_CBOR, DAG_JSON, DAG_PB, IDENTITY, Block, BlockNotFound, Cid
from ipvm.limits import Limits
from ipvm.linker import LinkPlan, Planner, plan, survey
from ipvm.model import InvalidRecord
from ipvm.testing import Library
from ipvm.wasm import InvalidModule

Planned = Callable[..., LinkPlan]
Gathered = Callable[..., Planner]

LEAF = '(module (func (export "f") (result i32) (i32.const 7)))'
USER = '(module (import "leaf" "f" (func (result i32))))'
ABSENT = Cid.of(b"nobody has this")
ABSENT_RECORD = Cid(ABSENT.digest, codec=DAG_CBOR)


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def padded(library: Library, text: str, size: int) -> bytes:
    """A module that a custom section makes longer by `size` bytes and a few."""
    section = varint(3) + b"pad" + bytes(size)
    return library.blocks[library.code(text)].data + b"\0" + varint(len(section)) + section


def test_the_root_is_asked_for_first_and_each_block_once() -> None:
    library = Library()
    leaf = library.manifest(LEAF)
    code = library.code(USER)
    root = library.manifest(code, {"leaf": leaf})
    planner = Planner(root, limits=Limits())
    assert planner.missing() == (root,)
    assert planner.missing() == ()
    planner.feed(library.blocks[root])
    assert planner.missing() == (code, leaf)
    planner.feed(library.blocks[leaf])
    assert planner.missing() == ()
    planner.feed(library.blocks[code])
    assert planner.missing() == (library.code(LEAF),)
    planner.feed(library.blocks[library.code(LEAF)])
    assert planner.missing() == ()
    assert [node.cid for node in plan(planner).nodes] == [leaf, root]


def test_what_was_not_asked_for_is_ignored_and_so_is_a_second_copy() -> None:
    library = Library()
    root = library.code(LEAF)
    planner = Planner(root, limits=Limits(closure_bytes_max=len(library.blocks[root].data)))
    assert planner.missing() == (root,)
    planner.feed(Block.of(b"nobody asked"))
    planner.absent(BlockNotFound(ABSENT))
    planner.feed(library.blocks[root])
    planner.feed(library.blocks[root])
    assert planner.missing() == ()
    assert plan(planner).root.cid == root


def test_a_plan_that_is_not_fed_to_the_end_says_so() -> None:
    library = Library()
    root = library.manifest(LEAF)
    planner = Planner(root, limits=Limits())
    for _ in range(2):
        with pytest.raises(LinkError, match="not fetched to the end"):
            plan(planner)
        planner.feed(library.blocks[root])
        planner.missing()


@pytest.mark.parametrize("codec", [DAG_CBOR, DAG_JSON])
def test_a_manifest_is_read_from_either_record_codec(codec: int, planned: Planned) -> None:
    library = Library()
    leaf = library.manifest(LEAF, codec=codec)
    root = library.manifest(USER, {"leaf": leaf}, codec=codec)
    assert [node.cid for node in planned(library, root).nodes] == [leaf, root]
    assert root.codec == codec


def test_code_is_a_raw_block_or_a_file_of_many_blocks(planned: Planned) -> None:
    library = Library()
    data = padded(library, LEAF, 2 * V1_2025.chunk_bytes + 1)
    file = library.file(data)
    assert file.codec == DAG_PB
    assert len(file_blocks(data)[1]) == 4
    for root in (library.code(LEAF), file, library.manifest(file)):
        node = planned(library, root).root
        assert node.info.export("f") is not None
    assert planned(library, file).code[file] == data


def test_a_file_may_be_named_by_a_cid_of_version_0(planned: Planned) -> None:
    library = Library()
    leaf = library.code(LEAF)
    file = library.joined([leaf], version=0)
    assert str(file).startswith("Qm")
    for root in (file, library.manifest(file)):
        assert planned(library, root).root.code == file
    importer = library.code(f'(module (import "{file}" "f" (func (result i32))))')
    assert [node.cid for node in planned(library, importer).nodes] == [file, importer]


def test_code_may_stand_in_the_cid_itself(planned: Planned) -> None:
    library = Library()
    data = library.blocks[library.code('(module (func (export "f")))')].data
    inline = library.keep(Block.of(data, hash_code=IDENTITY))
    assert planned(library, inline).root.info.export("f") is not None


def test_a_block_may_be_code_and_a_piece_of_other_code(
    planned: Planned, gathered: Gathered
) -> None:
    library = Library()
    leaf = library.code(LEAF)
    file = library.joined([leaf])
    user = '(module (import "a" "f" (func (result i32))) (import "b" "f" (func (result i32))))'
    for first, second in ((leaf, file), (file, leaf)):
        root = library.manifest(user, {"a": first, "b": second})
        assert [node.cid for node in planned(library, root).nodes] == [first, second, root]
    late = library.code(f'(module (import "{leaf}" "f" (func (result i32))))')
    root = library.manifest(
        '(module (import "a" "f" (func (result i32))) (import "b" "f" (func)))',
        {"a": file, "b": late},
    )
    nodes = survey(gathered(library, root)).nodes
    assert list(nodes) == [file, leaf, late, root]
    assert nodes[leaf].info is not None


def test_code_that_is_at_hand_before_it_is_named_does_not_exhaust_the_stack(
    planned: Planned,
) -> None:
    """Each piece of a file is also code, and leads to the next one: all are at hand at once."""
    library = Library()
    last = library.code(LEAF)
    pieces = [last]
    for _ in range(300):
        last = library.code(
            f'(module (import "{last}" "f" (func (result i32))) (export "f" (func 0)))'
        )
        pieces.append(last)
    file = library.joined(pieces)
    root = library.manifest(
        '(module (import "all" "f" (func)) (import "last" "f" (func (result i32))))',
        {"all": file, "last": library.manifest(last)},
    )
    with pytest.raises(InvalidModule):
        planned(library, root)


def test_an_entry_that_the_code_does_not_import_is_no_part_of_the_program(
    planned: Planned,
) -> None:
    library = Library()
    broken = library.keep(Block.of(b"no code"))
    unused = {"absent": ABSENT, "absent record": ABSENT_RECORD, "broken": broken}
    assert len(planned(library, library.manifest(LEAF, unused)).nodes) == 1


@pytest.mark.parametrize(
    ("text", "links", "missing"),
    [
        (LEAF, {"code": ABSENT}, ABSENT),
        (USER, {"leaf": ABSENT}, ABSENT),
        (USER, {"leaf": ABSENT_RECORD}, ABSENT_RECORD),
        (f'(module (import "{ABSENT}" "f" (func)))', {}, ABSENT),
        (f'(module (import "ipfs://{ABSENT_RECORD}" "f" (func)))', {}, ABSENT_RECORD),
    ],
)
def test_a_block_that_nobody_has_is_named_wherever_it_is_missing(
    text: str, links: dict[str, Cid], missing: Cid, planned: Planned
) -> None:
    library = Library()
    code = links.pop("code", None) or library.code(text)
    with pytest.raises(BlockNotFound) as caught:
        planned(library, library.manifest(code, links))
    assert caught.value.cid == missing


def test_a_missing_root_and_a_missing_piece_of_a_file_are_named(planned: Planned) -> None:
    library = Library()
    for root in (ABSENT, ABSENT_RECORD):
        with pytest.raises(BlockNotFound, match=str(root)):
            planned(library, root)
    file = library.file(padded(library, LEAF, 2 * V1_2025.chunk_bytes))
    piece = library.blocks[file].links()[1]
    del library.blocks[piece]
    for root in (file, library.manifest(file)):
        with pytest.raises(BlockNotFound, match=str(piece)):
            planned(library, root)


def problems_of(found: Sequence[IpvmError]) -> list[str]:
    return [type(each).__name__ for each in found]


def test_problems_are_told_in_the_order_of_the_program(gathered: Gathered) -> None:
    library = Library()
    absent = library.manifest(ABSENT)
    record = library.keep(Block.encode({"ipvm": "manifest/1"}))
    text = """(module
      (import "c" "f" (func)) (import "b" "f" (func)) (import "a" "f" (func))
      (import "c" "g" (func)) (import "d" "f" (func)))"""
    root = library.manifest(text, {"a": absent, "b": record, "c": library.manifest(LEAF)})
    found = survey(gathered(library, root))
    assert problems_of([each for node in found.nodes.values() for each in node.problems]) == [
        "InvalidRecord",
        "BlockNotFound",
        "ImportMismatch",
        "UnsatisfiedImport",
        "UnsatisfiedImport",
    ]
    assert isinstance(found.problem, InvalidRecord)
