"""Every import is looked up and checked before anything is compiled, and what fails says why."""

from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from ipvm.errors import LinkError
from ipvm.host import HOST_CALLS, HOST_MODULES, host_call
from ipvm.ipld import RAW, Cid
from ipvm.linker import (
    Export,
    ImportMismatch,
    LinkPlan,
    SignatureMismatch,
    Survey,
    UnsatisfiedImport,
)
from ipvm.linker.names import cid_of_import_name
from ipvm.model import Signature, Type
from ipvm.testing import Library

Planned = Callable[..., LinkPlan]

SERVER = """(module
  (func (export "f") (param i32) (result f64) (f64.const 1))
  (memory (export "m") 2 10)
  (table (export "t") 2 10 funcref)
  (global (export "g") i32 (i32.const 1))
  (global (export "v") (mut i32) (i32.const 1)))"""

FITS = [
    '(import "s" "f" (func (param i32) (result f64)))',
    '(import "s" "m" (memory 2 10))',
    '(import "s" "m" (memory 1))',
    '(import "s" "m" (memory 0 11))',
    '(import "s" "t" (table 1 funcref))',
    '(import "s" "t" (table 2 10 funcref))',
    '(import "s" "g" (global i32))',
    '(import "s" "v" (global (mut i32)))',
]

FITS_NOT = [
    ('(import "s" "f" (func))', "func () -> ()", "func (i32) -> f64"),
    ('(import "s" "f" (func (param i64) (result f64)))', "func (i64) -> f64", "func (i32) -> f64"),
    ('(import "s" "f" (func (param i32)))', "func (i32) -> ()", "func (i32) -> f64"),
    ('(import "s" "f" (memory 1))', "memory 1..", "func (i32) -> f64"),
    ('(import "s" "m" (func))', "func () -> ()", "memory 2..10"),
    ('(import "s" "m" (memory 3))', "memory 3..", "memory 2..10"),
    ('(import "s" "m" (memory 1 9))', "memory 1..9", "memory 2..10"),
    ('(import "s" "t" (table 3 funcref))', "table funcref 3..", "table funcref 2..10"),
    ('(import "s" "t" (table 1 9 funcref))', "table funcref 1..9", "table funcref 2..10"),
    ('(import "s" "t" (table 1 externref))', "table externref 1..", "table funcref 2..10"),
    ('(import "s" "g" (global (mut i32)))', "global mut i32", "global i32"),
    ('(import "s" "g" (global i64))', "global i64", "global i32"),
    ('(import "s" "v" (global i32))', "global i32", "global mut i32"),
    ('(import "s" "v" (table 1 funcref))', "table funcref 1..", "global mut i32"),
]


@pytest.mark.parametrize("wanted", FITS)
def test_an_export_serves_an_import_that_asks_for_no_more(wanted: str, planned: Planned) -> None:
    library = Library()
    server = library.manifest(SERVER)
    node = planned(library, library.manifest(f"(module {wanted})", {"s": server})).root
    assert node.servers == (Export(server, node.info.imports[0].name),)


@pytest.mark.parametrize(("text", "wanted", "found"), FITS_NOT)
def test_a_mismatch_shows_both_types(text: str, wanted: str, found: str, planned: Planned) -> None:
    library = Library()
    server = library.manifest(SERVER)
    root = library.manifest(f"(module {text})", {"s": server})
    with pytest.raises(ImportMismatch) as caught:
        planned(library, root)
    name = text.split('"')[3]
    assert str(caught.value) == (
        f'import "s"."{name}" ({wanted}) of {root} does not fit: '
        f"wanted {wanted}, found {found} in {server}"
    )
    assert (caught.value.importer, str(caught.value.found)) == (root, found)


def test_a_missing_export_is_told_with_those_that_are_there(planned: Planned) -> None:
    library = Library()
    server = library.manifest(SERVER)
    root = library.manifest('(module (import "s" "h" (func)))', {"s": server})
    with pytest.raises(UnsatisfiedImport) as caught:
        planned(library, root)
    assert str(caught.value) == (
        f'import "s"."h" (func () -> ()) of {root} is not served: '
        f'{server} has no export "h"; it has "f", "m", "t", "g", "v"'
    )


def test_of_many_exports_only_some_are_shown(planned: Planned) -> None:
    library = Library()
    exports = "".join(f'(func (export "f{number}"))' for number in range(20))
    server = library.manifest(f"(module {exports})")
    root = library.manifest('(module (import "s" "h" (func)))', {"s": server})
    with pytest.raises(UnsatisfiedImport, match=r'"f6", "f7" and 12 more$'):
        planned(library, root)


def test_names_from_a_module_are_escaped_and_shortened_in_messages(planned: Planned) -> None:
    library = Library()
    hostile = r"\1b[2J\0d"
    long = "x" * 5000
    server = library.manifest(f'(module (func (export "{hostile}")) (func (export "{long}")))')
    for name in (hostile, long):
        for text in (f'(import "s" "{name}2" (func))', f'(import "{name}2" "f" (func))'):
            root = library.manifest(f"(module {text})", {"s": server})
            with pytest.raises(UnsatisfiedImport) as caught:
                planned(library, root)
            assert str(caught.value).isprintable()
            assert len(str(caught.value)) < 700
        signature = Signature(params=(), results=("i32",))
        value = name.replace(hostile, "\x1b[2J\r")[:1000]
        root = library.manifest(SERVER, exports={value: signature})
        with pytest.raises(SignatureMismatch) as mismatch:
            planned(library, root)
        assert str(mismatch.value).isprintable()


def test_an_import_that_nothing_serves_says_where_it_was_looked_up(planned: Planned) -> None:
    library = Library()
    text = '(module (import "math" "f" (func)))'
    bare = library.code(text)
    with pytest.raises(UnsatisfiedImport) as caught:
        planned(library, bare)
    assert str(caught.value) == (
        f'import "math"."f" (func () -> ()) of {bare} is not served: "math" is no host module '
        f'("ipld", "ipvm", "wasi_snapshot_preview1"), {bare} is linked without a manifest, and it is no CID'
    )
    server = library.manifest(SERVER)
    with pytest.raises(UnsatisfiedImport, match='the manifest\'s imports are "s", "z", and it is'):
        planned(library, library.manifest(text, {"z": server, "s": server}))
    with pytest.raises(UnsatisfiedImport, match="the manifest's imports are none, and it is no"):
        planned(library, library.manifest(text))


def test_the_host_serves_wasi(planned: Planned) -> None:
    library = Library()
    text = """(module
      (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1))"""
    node = planned(library, library.code(text)).nodes[0]
    assert node.servers == (host_call("wasi_snapshot_preview1", "fd_write"),)
    assert node.memory == "memory"


def test_a_call_of_wasi_has_its_type(planned: Planned) -> None:
    library = Library()
    text = (
        '(module (import "wasi_snapshot_preview1" "proc_exit" (func)) (memory (export "memory") 1))'
    )
    with pytest.raises(ImportMismatch, match='host module "wasi_snapshot_preview1"'):
        planned(library, library.code(text))


def test_another_version_of_wasi_says_what_to_do(planned: Planned) -> None:
    library = Library()
    text = """(module (import "wasi_unstable" "proc_exit" (func (param i32)))
      (memory (export "memory") 1))"""
    with pytest.raises(UnsatisfiedImport, match="wasi_snapshot_preview1 is built in: build the"):
        planned(library, library.code(text))


def test_a_module_may_serve_wasi(planned: Planned) -> None:
    library = Library()
    server = library.manifest('(module (func (export "proc_exit") (param i32)))')
    name = "wasi_snapshot_preview1"
    text = f'(module (import "{name}" "proc_exit" (func (param i32))))'
    assert planned(library, library.manifest(text, {name: server})).nodes[0].cid == server


@pytest.mark.parametrize("form", ["{}", "ipfs://{}"])
def test_a_name_that_is_a_cid_needs_no_manifest(form: str, planned: Planned) -> None:
    library = Library()
    for server in (library.manifest(SERVER), library.code(SERVER)):
        text = f'(module (import "{form.format(server)}" "g" (global i32)))'
        root = library.code(text)
        assert [node.cid for node in planned(library, root).nodes] == [server, root]


def test_the_manifest_comes_before_a_name_that_is_a_cid(planned: Planned) -> None:
    library = Library()
    named = library.manifest(SERVER)
    other = library.manifest('(module (global (export "g") i32 (i32.const 2)))')
    root = library.manifest(f'(module (import "{named}" "g" (global i32)))', {str(named): other})
    assert [node.cid for node in planned(library, root).nodes] == [other, root]


def test_a_name_that_is_the_cid_of_something_else_is_no_code(planned: Planned) -> None:
    library = Library()
    for codec in (0x72, 0xE3, 0x0202):
        odd = Cid(Cid.of(b"").digest, codec=codec)
        with pytest.raises(LinkError, match=f"{odd} is not code"):
            planned(library, library.code(f'(module (import "{odd}" "f" (func)))'))


@pytest.mark.parametrize(
    "name",
    ["", "b", "z", "bafy", "ba", "base58", "zebra", "mathematics", "QmNot", "/ipfs/x", "ipfs://",
     "ipfs://math", "Qm" + "1" * 44, "b" + "a" * 58, "\0\1\2", "uAAAA", "f01", "🚀", "k51qzi"],
)  # fmt: skip
def test_a_petname_that_looks_like_multibase_is_a_petname(name: str, planned: Planned) -> None:
    assert cid_of_import_name(name) is None
    library = Library()
    server = library.manifest(SERVER)
    escaped = "".join(f"\\{byte:02x}" for byte in name.encode())
    root = library.manifest(f'(module (import "{escaped}" "g" (global i32)))', {name: server})
    assert planned(library, root).root.servers == (Export(server, "g"),)


@given(st.text(max_size=80))
def test_any_text_is_a_petname_or_a_cid_that_reads_back(name: str) -> None:
    cid = cid_of_import_name(name)
    assert cid is None or Cid.decode(bytes(cid)) == cid


@pytest.mark.parametrize("module", sorted(HOST_MODULES))
def test_no_manifest_takes_the_place_of_a_host_module(module: str, planned: Planned) -> None:
    library = Library()
    call = next(each for each in HOST_CALLS if each.module == module)
    params = " ".join(call.type.params)
    server = library.manifest(
        f'(module (func (export "{call.name}") (param {params}) (result i32) (i32.const 0)))'
    )
    text = f"""(module
      (import "{module}" "{call.name}" (func (param {params}) (result i32)))
      (memory (export "memory") 1))"""
    linked = planned(library, library.manifest(text, {module: server}))
    assert [node.cid for node in linked.nodes] == [linked.root.cid]
    assert linked.root.servers == (call,)


def test_a_host_call_that_is_not_there_or_has_another_type_says_so(planned: Planned) -> None:
    library = Library()
    memory = '(memory (export "memory") 1)'
    with pytest.raises(UnsatisfiedImport, match='host module "ipld" has "block_open", "block_cr'):
        planned(library, library.code(f'(module (import "ipld" "nope" (func)) {memory})'))
    with pytest.raises(
        ImportMismatch, match=r"wanted func \(\) -> \(\), found func \(i32\) -> i32"
    ):
        planned(library, library.code(f'(module (import "ipvm" "fuel" (func)) {memory})'))
    with pytest.raises(ImportMismatch, match=r"wanted memory 1\.\., found func"):
        planned(library, library.code('(module (import "ipvm" "fuel" (memory 1)))'))


def test_host_calls_need_a_memory_to_work_on(planned: Planned) -> None:
    library = Library()
    fuel = '(import "ipvm" "fuel" (func (param i32) (result i32)))'
    for text in ("", "(memory 1)", '(memory (export "mem") 1)', '(func (export "memory"))'):
        with pytest.raises(LinkError, match=r'"ipvm"\."fuel" but has no memory .*export one as'):
            planned(library, library.code(f"(module {fuel} {text})"))
    server = library.manifest(SERVER)
    imported = library.manifest(f'(module {fuel} (import "s" "m" (memory 1)))', {"s": server})
    assert planned(library, imported).root.memory == 1
    assert (
        planned(library, library.code(f'(module {fuel} (memory (export "memory") 1))')).root.memory
        == "memory"
    )


SIGNATURES: list[tuple[tuple[Type, ...], tuple[Type, ...], str]] = [
    (("i32",), ("i64",), "(param i32) (result i64) (i64.const 0)"),
    (("bool", "bytes", "string", "ipld", "link"), (), "(param i32 i32 i32 i32 i32)"),
    (("f32", "f64"), ("f32",), "(param f32 f64) (result f32) (f32.const 0)"),
    (("i64",), ("bytes", "i32"), "(param i64) (result i32 i32) (i32.const 0) (i32.const 0)"),
]


@pytest.mark.parametrize(("params", "results", "text"), SIGNATURES)
def test_a_signature_fits_code_of_its_wasm_type(
    params: tuple[Type, ...], results: tuple[Type, ...], text: str, planned: Planned
) -> None:
    library = Library()
    exports = {"f": Signature(params=params, results=results)}
    root = library.manifest(f'(module (func (export "f") {text}))', exports=exports)
    assert planned(library, root).root.signatures == exports


def test_a_signature_that_disagrees_with_the_code_shows_both(planned: Planned) -> None:
    library = Library()
    exports = {"f": Signature(params=("bytes", "f64"), results=("link",))}
    root = library.manifest(SERVER, exports=exports)
    with pytest.raises(SignatureMismatch) as caught:
        planned(library, root)
    assert str(caught.value) == (
        f'manifest {root}: exports["f"]: the signature (bytes, f64) -> link is '
        "func (i32, f64) -> i32 in wasm, and the code has func (i32) -> f64"
    )


def test_a_signature_of_what_the_code_does_not_export_says_what_is_there(planned: Planned) -> None:
    library = Library()
    nothing = Signature(params=(), results=())
    root = library.manifest(SERVER, exports={"nope": nothing})
    with pytest.raises(SignatureMismatch, match='no such export; it has "f", "m", "t", "g", "v"'):
        planned(library, root)
    root = library.manifest(SERVER, exports={"m": nothing})
    with pytest.raises(SignatureMismatch, match=r"and the code has memory 2\.\.10$"):
        planned(library, root)


def test_a_broken_dependency_is_told_once_and_not_for_each_import(
    surveyed: Callable[..., Survey],
) -> None:
    library = Library()
    absent = Cid(Cid.of(b"absent").digest, codec=RAW)
    root = library.manifest(
        '(module (import "s" "f" (func)) (import "s" "g" (func)))', {"s": absent}
    )
    found = surveyed(library, root)
    assert [len(node.problems) for node in found.nodes.values()] == [1, 0]
    assert found.nodes[root].dependencies == {"s": absent}
