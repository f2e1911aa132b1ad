"""A planner asks for what a program consists of, once, and for nothing else."""

from collections.abc import Callable, Sequence

import pytest

from ipvm.errors import InvalidData, IpvmError, LimitExceeded, LinkError
from ipvm.files import CHUNK_BYTES, file_blocks
from ipvm.ipld import DAG_CBOR, DAG_JSON, DAG_PB, IDENTITY, RAW, Block, BlockNotFound, Cid, Value
from ipvm.limits import Limits
from ipvm.linker import InvalidCode, LinkPlan, NotCode, Planner, plan, survey
from ipvm.model import InvalidRecord
from ipvm.testing import Library
from ipvm.wasm import InvalidModule, read_module

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


def wrapped(cid: Cid, *, version: int, size: int) -> Block:
    """A DAG-PB node of a file that consists of one other block."""
    meta = b"\x08\x02\x18" + varint(size) + b"\x20" + varint(size)
    links: Value = [{"Hash": cid, "Name": "", "Tsize": size}]
    data = Block.encode({"Data": meta, "Links": links}, codec=DAG_PB).data
    return Block(Cid(Cid.of(data).digest, codec=DAG_PB, version=version), data)


def directory(cid: Cid) -> Block:
    links: Value = [{"Hash": cid, "Name": "code.wasm", "Tsize": 1}]
    return Block.encode({"Data": b"\x08\x01", "Links": links}, codec=DAG_PB)


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
    data = padded(library, LEAF, 2 * CHUNK_BYTES + 1)
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
    file = library.keep(wrapped(leaf, version=0, size=len(library.blocks[leaf].data)))
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
    file = library.keep(wrapped(leaf, version=1, size=len(library.blocks[leaf].data)))
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
    links: Value = [{"Hash": cid, "Name": "", "Tsize": 1} for cid in pieces]
    meta = b"\x08\x02" + b"".join(b"\x20\x01" for _ in pieces)
    file = library.keep(Block.encode({"Data": meta, "Links": links}, codec=DAG_PB))
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
    file = library.file(padded(library, LEAF, 2 * CHUNK_BYTES))
    piece = library.blocks[file].links()[1]
    del library.blocks[piece]
    for root in (file, library.manifest(file)):
        with pytest.raises(BlockNotFound, match=str(piece)):
            planned(library, root)


ELF = b"\x7fELF\x02\x01\x01" + bytes(57)
COMPONENT = b"\0asm\x0d\0\x01\0"
NO_CODE: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "empty"),
    ("text", b"(module)", "text"),
    ("a program for Linux", ELF, "ELF"),
    ("a component", COMPONENT, "component"),
    ("the magic number alone", b"\0asm", "version"),
    ("a header that is cut off", b"\0asm\1\0", "version"),
    ("a module of version 2", b"\0asm\2\0\0\0", "version"),
]


@pytest.mark.parametrize(
    ("data", "words"), [case[1:] for case in NO_CODE], ids=[case[0] for case in NO_CODE]
)
def test_what_is_no_module_is_told_apart(data: bytes, words: str, planned: Planned) -> None:
    library = Library()
    code = library.keep(Block.of(data))
    with pytest.raises(InvalidModule, match=words) as bare:
        planned(library, code)
    root = library.manifest(code)
    with pytest.raises(InvalidCode, match=f"manifest {root}: code: ") as caught:
        planned(library, root)
    assert str(bare.value) in str(caught.value)


def test_a_module_that_is_cut_off_within_a_section_is_refused(planned: Planned) -> None:
    library = Library()
    data = library.blocks[library.code(USER)].data
    ends = {section.end for section in read_module(data, limits=Limits()).sections}
    for size in {*range(9, len(data))} - ends:
        with pytest.raises(InvalidModule):
            planned(library, library.keep(Block.of(data[:size])))


def test_a_link_to_a_folder_says_what_was_expected(planned: Planned) -> None:
    library = Library()
    folder = library.keep(directory(library.code(LEAF)))
    with pytest.raises(InvalidData, match="UnixFS directory, and a file was expected"):
        planned(library, folder)
    with pytest.raises(InvalidCode, match="UnixFS directory, and a file was expected"):
        planned(library, library.manifest(folder))


def test_a_dag_pb_block_that_cannot_be_read_is_no_code(planned: Planned) -> None:
    library = Library()
    broken = library.keep(Block.of(b"\xff\xff", codec=DAG_PB))
    with pytest.raises(InvalidData, match="not valid dag-pb"):
        planned(library, broken)
    with pytest.raises(InvalidCode, match="not valid dag-pb"):
        planned(library, library.manifest(broken))


def test_a_file_with_a_piece_of_another_kind_is_no_code(planned: Planned) -> None:
    library = Library()
    record = library.manifest(LEAF)
    file = library.keep(wrapped(record, version=1, size=1))
    with pytest.raises(InvalidData, match="no part of a file"):
        planned(library, file)


@pytest.mark.parametrize("codec", [DAG_CBOR, DAG_JSON, 0x72, 0x0200])
def test_code_under_another_codec_is_no_code(codec: int, planned: Planned) -> None:
    library = Library()
    code = Cid(library.code(LEAF).digest, codec=codec)
    with pytest.raises(NotCode, match=f"{code} is not code"):
        planned(library, library.manifest(code))


def test_code_under_an_unknown_codec_is_no_root(planned: Planned) -> None:
    with pytest.raises(NotCode):
        planned(Library(), Cid(ABSENT.digest, codec=0x72))


def test_a_manifest_is_no_code_and_still_a_function_of_its_own(planned: Planned) -> None:
    library = Library()
    leaf = library.manifest(LEAF)
    odd = library.manifest(leaf)
    user = '(module (import "{}" "f" (func (result i32))) (import "{}" "f" (func)))'
    for names in ("ab", "ba"):
        root = library.manifest(user.format(*names), {"a": leaf, "b": odd})
        with pytest.raises(NotCode, match=f"{leaf} is not code"):
            planned(library, root)
    del library.blocks[leaf]
    root = library.manifest(user.format("a", "b"), {"a": leaf, "b": odd})
    with pytest.raises(BlockNotFound, match=str(leaf)):
        planned(library, root)


@pytest.mark.parametrize(
    "value",
    [None, {}, [1], {"ipvm": "receipt/1"}, {"ipvm": "manifest/2"}, {"code": ABSENT}],
)
def test_a_link_to_a_record_that_is_no_manifest_says_so(value: Value, planned: Planned) -> None:
    library = Library()
    record = library.keep(Block.encode(value))
    for root in (record, library.manifest(USER, {"leaf": record})):
        with pytest.raises(InvalidRecord, match=str(record)):
            planned(library, root)


def test_a_block_that_is_not_valid_under_its_codec_is_no_manifest(planned: Planned) -> None:
    library = Library()
    for codec in (DAG_CBOR, DAG_JSON):
        broken = library.keep(Block.of(b"\xff", codec=codec))
        for root in (broken, library.manifest(USER, {"leaf": broken})):
            with pytest.raises(InvalidData, match="not valid dag-"):
                planned(library, root)


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
    pieces = [head, *[zeros] * 4]
    links: Value = [{"Hash": cid, "Name": "", "Tsize": 1} for cid in pieces]
    file = library.keep(Block.encode({"Data": b"\x08\x02", "Links": links}, codec=DAG_PB))
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
    pieces = [Cid.of(b"%d" % number) for number in range(70_000)]
    links: Value = [{"Hash": cid, "Name": "", "Tsize": 1} for cid in pieces]
    file = Block.encode({"Data": b"\x08\x02", "Links": links}, codec=DAG_PB)
    planner = Planner(file.cid, limits=Limits())
    assert planner.missing() == (file.cid,)
    planner.feed(file)
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


def test_raw_is_the_codec_of_code() -> None:
    library = Library()
    assert library.code(LEAF).codec == RAW
