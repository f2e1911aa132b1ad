"""What is not a core module of the engine's features is refused, and the message says why."""

import subprocess
import sys

import pytest

from ipvm.engine import (
    PROFILES,
    InvalidText,
    NotCompiled,
    compile_module,
    compile_now,
    engine_for,
    text_to_module,
)
from ipvm.errors import InvalidData
from ipvm.model import Profile

FEATURES_THAT_ARE_OFF = [
    ("threads", "(module (memory 1 1 shared))"),
    ("threads", "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))"),
    ("gc", "(module (type (struct (field i32))))"),
    ("gc", "(module (func (result i31ref) (ref.i31 (i32.const 1))))"),
    ("exception", "(module (tag (param i32)) (func (throw 0 (i32.const 1))))"),
    ("exception", "(module (func (param exnref)))"),
    ("memory64", "(module (memory i64 1))"),
    ("memory64", "(module (table i64 1 funcref))"),
    (
        "relaxed SIMD",
        "(module (func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))))",
    ),
    (
        "wide arithmetic",
        "(module (func (result i64 i64) (i64.mul_wide_u (i64.const 1) (i64.const 2))))",
    ),
    ("custom page sizes", "(module (memory 1 (pagesize 1)))"),
    ("stack switching", "(module (type $f (func)) (type $c (cont $f)) (func (param (ref $c))))"),
    ("[Cc]omponent", "(component)"),
]
FEATURES_THAT_ARE_ON = [
    "(module (func (result v128) (v128.const i64x2 1 2)))",
    "(module (memory 1) (memory 1) (func (memory.copy 0 1 (i32.const 0) (i32.const 0) (i32.const 1))))",
    "(module (func $f (return_call $f)))",
    "(module (func (result i32 i32) (i32.const 1) (i32.const 2)))",
    "(module (type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0))))",
    "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
    "(module (func (param externref) (drop (ref.is_null (local.get 0)))))",
]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("feature", "text"), FEATURES_THAT_ARE_OFF)
def test_a_feature_that_is_off_is_refused_by_name(
    feature: str, text: str, profile: Profile
) -> None:
    with pytest.raises(NotCompiled, match=f"the engine refuses the module: .*{feature}") as caught:
        compile_now(engine_for(profile), text_to_module(text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("text", FEATURES_THAT_ARE_ON)
def test_a_feature_that_is_on_compiles(text: str, profile: Profile) -> None:
    compile_now(engine_for(profile), text_to_module(text))


@pytest.mark.parametrize(
    "data",
    [b"(module)", b" (module)", b"\n;; text\n(module)", b"", b"\0", b"\0as", b"\x7fELF", b"[1, 2]"],
)
def test_text_and_other_files_are_never_taken_for_a_module(data: bytes) -> None:
    with pytest.raises(NotCompiled, match="the engine refuses the module"):
        compile_now(engine_for("deterministic"), data)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("(func (result i32) nop)", "type mismatch: expected i32 but nothing on stack"),
        ("(func (drop (i32.add (i32.const 1) (i64.const 1))))", "type mismatch: expected i32"),
        ("(func (br 7))", "unknown label"),
        ("(start 0) (func (param i32))", "invalid start function type"),
    ],
)
def test_code_that_is_not_valid_is_refused_with_the_reason(body: str, problem: str) -> None:
    with pytest.raises(NotCompiled, match=problem):
        compile_now(engine_for("deterministic"), text_to_module(f"(module {body})"))


def test_no_truncation_of_a_module_crashes_the_compiler() -> None:
    data = text_to_module(
        '(module (memory (export "m") 1) (func (export "f") (result i32) (i32.const 1)))'
    )
    refused = 0
    for size in range(len(data)):
        try:
            compile_now(engine_for("fast"), data[:size])
        except NotCompiled:
            refused += 1
    assert refused > len(data) - 10  # what ends with a section may be a module


async def test_compiling_off_the_loop_gives_the_same() -> None:
    compiled = await compile_module(engine_for("fast"), text_to_module("(module)"))
    assert compiled.address
    with pytest.raises(NotCompiled):
        await compile_module(engine_for("fast"), b"\0asm")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(module",
        "(module (func $))",
        "\ud800",
        "\0",
        "(" * 100_000,
        '(module (data "\\ff\\zz"))',
    ],
)
def test_text_that_does_not_parse_is_refused(text: str) -> None:
    with pytest.raises(InvalidText) as caught:
        text_to_module(text)
    assert isinstance(caught.value, InvalidData)


def test_text_that_nests_very_deep_assembles() -> None:
    assert len(text_to_module(f"(module (func {'(block ' * 50_000}{')' * 50_000}))")) > 150_000


THREADS_TOGETHER = """
import sys, threading
from ipvm.engine import PROFILES, engine_for, host_port_for, selftest

sys.setswitchinterval(1e-6)
start = threading.Barrier(8)
engines = []

def ask():
    start.wait()
    engines.append(tuple(id(engine_for(profile)) for profile in PROFILES))
    selftest.require()

threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(engines), len(set(engines)))
"""


def test_threads_that_ask_together_get_the_same_engine() -> None:
    for _ in range(3):
        command = [sys.executable, "-c", THREADS_TOGETHER]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "8 1\n"), done.stderr
