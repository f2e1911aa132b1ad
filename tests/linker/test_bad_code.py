"""A link that leads to something that cannot be linked says to what."""

from collections.abc import Callable

import pytest

from ipvm.errors import InvalidData
from ipvm.ipld import DAG_CBOR, DAG_JSON, DAG_PB, Block, BlockNotFound, Cid, Value
from ipvm.limits import Limits
from ipvm.linker import InvalidCode, LinkPlan, NotCode
from ipvm.model import InvalidRecord
from ipvm.testing import Library
from ipvm.wasm import InvalidModule, read_module

Planned = Callable[..., LinkPlan]

LEAF = '(module (func (export "f") (result i32) (i32.const 7)))'
USER = '(module (import "leaf" "f" (func (result i32))))'
ABSENT = Cid.of(b"nobody has this")

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
    links: Value = [{"Hash": library.code(LEAF), "Name": "code.wasm", "Tsize": 1}]
    folder = library.keep(Block.encode({"Data": b"\x08\x01", "Links": links}, codec=DAG_PB))
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
    file = library.joined([record])
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
