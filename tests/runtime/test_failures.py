"""What a function says when it fails, and where: names and messages are anybody's text."""

import logging
from collections.abc import Awaitable, Callable

import pytest

import ipvm
from ipvm.errors import GuestError
from ipvm.ipld import Cid
from ipvm.store import Memory
from ipvm.testing import Library

Load = Callable[..., Awaitable[ipvm.Program]]
Calling = Callable[..., str]

ABORT = """(module
  (import "ipvm" "abort" (func $abort (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 0) "{}")
  (func $give_up (export "f") (drop (call $abort (i32.const {}) (i32.const 0) (i32.const {})))))"""
LOG = """(module
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 0) "{}")
  (func (export "f") (result i32) (call $log (i32.const 0) (i32.const {}))))"""


async def failure(function: ipvm.Function, *arguments: object) -> GuestError:
    with pytest.raises(GuestError) as caught:
        await function(*arguments)
    return caught.value


async def test_a_trap_three_cids_deep_names_function_and_module_of_each_frame(load: Load) -> None:
    library = Library()
    codes = [
        library.code('(module (func $deepest (export "f") (unreachable)))'),
        library.code(
            '(module (import "next" "f" (func $f)) (func $middle (export "f") (call $f)))'
        ),
        library.code(
            """(module (import "next" "f" (func $f))
          (func $helper (call $f)) (func $top (export "f") (call $helper)))"""
        ),
    ]
    roots: list[Cid] = []
    for code in codes:
        roots.append(library.manifest(code, {"next": roots[-1]} if roots else {}))
    program = await load(library, roots[-1])
    error = await failure(program.f)
    assert [(frame.function, frame.module, frame.linked_as) for frame in error.frames] == [
        ("deepest", str(codes[0]), (str(roots[0]),)),
        ("middle", str(codes[1]), (str(roots[1]),)),
        ("helper", str(codes[2]), (str(roots[2]),)),
        ("top", str(codes[2]), (str(roots[2]),)),
    ]
    assert str(error) == (
        "the function ended by trap: unreachable\n"
        f"  at deepest in {codes[0]} of {roots[0]}\n"
        f"  at middle in {codes[1]} of {roots[1]}\n"
        f"  at helper in {codes[2]} of {roots[2]}\n"
        f"  at top in {codes[2]} of {roots[2]}"
    )


async def test_a_frame_without_a_name_goes_by_its_export_or_its_number(load: Load) -> None:
    library = Library()
    text = '(module (func (unreachable)) (func (call 0)) (func (export "public") (call 1)))'
    error = await failure((await load(library, library.code(text))).public)
    assert [frame.function for frame in error.frames] == ["#0", "#1", "public"]
    assert [frame.linked_as for frame in error.frames] == [()] * 3


async def test_code_that_is_linked_twice_is_named_with_both_manifests(load: Load) -> None:
    library = Library()
    leaf = '(module (func (export "f") (unreachable)))'
    first = library.manifest(leaf)
    second = library.manifest(leaf, exports={"f": ipvm.Signature(params=(), results=())})
    text = """(module (import "a" "f" (func)) (import "b" "f" (func $f))
      (func $top (export "f") (call $f)))"""
    root = library.manifest(text, {"a": first, "b": second})
    error = await failure((await load(library, root)).f)
    assert error.frames[0].linked_as == (str(first), str(second))
    assert f"of {first} or {second}" in str(error)


async def test_of_a_deep_backtrace_the_innermost_frames_are_told(load: Load) -> None:
    library = Library()
    text = """(module (func $f (export "f") (param i32)
      (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1)))) (else (unreachable)))))"""
    error = await failure((await load(library, library.code(text))).f, 1000)
    assert 10 <= len(error.frames) <= 64
    assert {frame.function for frame in error.frames} == {"f"}


async def test_a_hostile_name_cannot_rewrite_the_terminal(load: Load) -> None:
    library = Library()
    hostile = r"\1b[2J\1b[31mroot\0d\0a  at home\c2\9b\e2\80\ae\07"
    text = f'(module (func (export "{hostile}") (unreachable)))'
    program = await load(library, library.code(text))
    (name,) = program.functions
    error = await failure(program[name])
    assert error.frames[0].function == r"\x1b[2J\x1b[31mroot\r\n  at home\x9b\u202e\x07"
    assert all(line.isprintable() for line in str(error).split("\n"))
    assert len(str(error).split("\n")) == 2
    assert repr(program[name]).isprintable()
    assert repr(program).isprintable()
    with pytest.raises(ipvm.InvalidArguments) as caught:
        _ = program["nope"]
    assert str(caught.value).isprintable()
    with pytest.raises(ipvm.InvalidArguments) as caught:
        await program[name](1)
    assert str(caught.value).isprintable()
    with pytest.raises(AttributeError) as missing:
        _ = program.nope
    assert str(missing.value).isprintable()


async def test_a_name_of_a_hundred_thousand_letters_is_shown_short(load: Load) -> None:
    library = Library()
    text = f'(module (func ${"x" * 50_000} (export "f") (unreachable)))'
    error = await failure((await load(library, library.code(text))).f)
    assert len(str(error)) < 2000


async def test_an_abort_gives_its_code_and_its_message(load: Load) -> None:
    library = Library()
    program = await load(library, library.code(ABORT.format("out of tea", 42, 10)))
    error = await failure(program.f)
    assert (error.kind, error.code, error.detail) == ("abort", 42, "out of tea")
    assert [frame.function for frame in error.frames] == ["give_up"]
    assert str(error).startswith(
        "the function ended by abort with code 42: out of tea\n  at give_up"
    )


@pytest.mark.parametrize(
    ("text", "size", "detail"),
    [
        ("", 0, ""),
        (r"\ff\feok", 4, "��ok"),
        (r"\1b[2Jgone", 8, "\x1b[2Jgone"),
        ("", 65_536, "\0" * 65_536),
        ("", 65_537, ""),
        ("", -1, ""),
    ],
)
async def test_a_message_is_kept_as_it_is_and_shown_escaped(
    text: str, size: int, detail: str, load: Load
) -> None:
    library = Library()
    program = await load(library, library.code(ABORT.format(text, -1, size)))
    error = await failure(program.f)
    assert (error.code, error.detail) == (2**32 - 1, detail)
    assert all(line.isprintable() for line in str(error).split("\n"))
    receipt = await program.f.receipt()
    assert receipt.record.out.error is not None
    assert receipt.record.out.error.message == detail


async def test_what_a_guest_logs_comes_with_the_cid_that_it_was_linked_by() -> None:
    library = Library()
    said: list[tuple[Cid, str]] = []
    leaf = library.manifest(LOG.format("hello", 5))
    root = library.manifest(
        '(module (import "a" "f" (func $f (result i32))) (export "f" (func $f)))', {"a": leaf}
    )
    store = await library.store()
    async with ipvm.open(store=store, on_log=lambda cid, text: said.append((cid, text))) as node:
        assert await (await node.load(root)).f() == 0
    assert said == [(leaf, "hello")]


async def test_the_logger_gets_what_a_guest_logs_escaped(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    library = Library()
    cid = library.code(LOG.format(r"a\1b[2Jb\0ac", 8))
    with caplog.at_level(logging.INFO, logger="ipvm.guest"):
        assert await (await load(library, cid)).f() == 0
    assert [record.getMessage() for record in caplog.records] == [f"{cid}: a\\x1b[2Jb\\nc"]


async def test_what_the_listener_raises_ends_the_call() -> None:
    library = Library()
    root = library.code(LOG.format("hello", 5))

    def refuse(_cid: Cid, text: str) -> None:
        raise RuntimeError(text)

    async with ipvm.open(store=await library.store(), on_log=refuse) as node:
        program = await node.load(root)
        with pytest.raises(RuntimeError, match="hello"):
            await program.f()


async def test_a_module_that_needs_a_feature_that_is_off_is_named() -> None:
    features = {
        "threads": "(module (memory 1 1 shared))",
        "gc": "(module (type (struct (field i32))))",
        "exceptions": "(module (tag))",
        "memory64": "(module (memory i64 1))",
    }
    for text in features.values():
        library = Library()
        code = library.code(text)
        async with ipvm.open(store=await library.store()) as node:
            with pytest.raises(ipvm.InvalidData) as caught:
                await node.load(code)
            assert not isinstance(caught.value, GuestError)
    relaxed = """(module (func (export "f") (param v128 v128) (result i32)
      (i32x4.extract_lane 0 (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))))"""
    library = Library()
    code = library.code(relaxed)
    async with ipvm.open(store=await library.store()) as node:
        with pytest.raises(
            ipvm.InvalidData, match=f"{code}: the engine refuses the module: .*relaxed"
        ):
            await node.load(code)


async def test_code_that_does_not_validate_is_named_with_what_the_engine_says() -> None:
    library = Library()
    data = library.blocks[library.code('(module (func (export "f") (result i32) (i32.const 1)))')]
    broken = data.data.replace(b"\x41\x01", b"\x42\x01")
    async with ipvm.open(store=Memory()) as node:
        code = await node.put(broken)
        with pytest.raises(ipvm.InvalidData, match=f"{code}: the engine refuses .*type mismatch"):
            await node.load(code)


async def test_a_failure_of_a_called_function_is_no_failure_of_its_caller(
    load: Load, calling: Calling
) -> None:
    library = Library()
    inner = library.code(ABORT.format("inner", 5, 5))
    program = await load(library, library.code(calling(inner, "f")))
    assert await program.go() == 1


async def test_recursion_through_calls_without_end_ends(load: Load) -> None:
    library = Library()
    text = """(module
      (import "ipvm" "self" (func $self (param i32 i32 i32) (result i32)))
      (import "ipvm" "call" (func $call (param i32 i32 i32 i32 i32 i32 i64) (result i32)))
      (memory (export "memory") 1) (data (i32.const 512) "f")
      (func (export "f") (result i32)
        (drop (call $self (i32.const 0) (i32.const 64) (i32.const 160)))
        (call $call (i32.const 256) (i32.const 64) (i32.const 512) (i32.const 1)
          (i32.const 0) (i32.const 0) (i64.const 0))))"""
    program = await load(library, library.code(text))
    assert await program.f() == 0
    receipt = await program.f.receipt()
    assert receipt.value == 0
