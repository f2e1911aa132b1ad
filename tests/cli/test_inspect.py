"""`ipvm inspect`, on what links and on what does not."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ipvm.ipld import Cid

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm, Keep, Make

USER = """(module
  (import "math" "add" (func (param i32 i32) (result i32)))
  (import "ipvm" "fuel" (func (param i32) (result i32)))
  (memory (export "memory") 1 2)
  (func (export "f") (param i32 i64) (result f32) (f32.const 0)))"""
DESCRIBED = '[exports.f]\nparams = ["string", "i64"]\nresults = ["f32"]\ndoc = "Do it.\\nTwice."\n'


@pytest.fixture
def user(make: "Make", math: str) -> str:
    """A function that imports from another one and from the host."""
    return make("user", USER, DESCRIBED, math=math)


def test_it_shows_exports_with_types_and_documentation(ipvm: "Ipvm", user: str) -> None:
    ended = ipvm("inspect", user)
    assert ended.code == 0
    assert "  f(string, i64) -> f32\n      Do it.\n      Twice.\n" in ended.text
    assert "  memory  memory 1..2\n" in ended.text


def test_it_shows_what_serves_each_import(ipvm: "Ipvm", user: str, math: str) -> None:
    server = ipvm("publish", math).line
    shown = ipvm("inspect", user).text
    assert f"  math.add  func (i32, i32) -> i32\n      from {server}\n" in shown
    assert "  ipvm.fuel  func (i32) -> i32\n      from the host\n" in shown
    assert "2 instances of 2 modules" in shown
    assert "it links" in shown


def test_the_record_of_an_inspection(
    ipvm: "Ipvm", user: str, is_documented: Callable[[object], bool]
) -> None:
    record = ipvm("inspect", user, "--json").record
    assert is_documented(record)
    assert record["functions"]["f"]["params"] == ["string", "i64"]
    assert record["imports"][1]["from"] == "host"
    assert record["links"] is True
    assert record["problems"] == []


def test_what_does_not_link_is_shown_with_all_that_is_wrong(
    ipvm: "Ipvm", keep: "Keep", math: str, is_documented: Callable[[object], bool]
) -> None:
    absent, server = Cid.of(b"absent"), ipvm("publish", math).line
    text = """(module
      (import "math" "add" (func (param i64)))
      (import "math" "sub" (func))
      (import "gone" "f" (func))
      (import "never" "g" (func)))"""
    root = keep(text, math=server, gone=str(absent))
    ended = ipvm("inspect", root)
    assert ended.code == 3
    assert "wanted func (i64) -> (), found func (i32, i32) -> i32" in ended.text
    assert f'{server} has no export "sub"' in ended.text
    assert f"MISSING: there is something wrong with {absent}" in ended.text
    assert f"no block {absent}" in ended.text
    assert '"never" is no host module' in ended.text
    assert "it does not link" in ended.text
    shown = ipvm("inspect", root, "--json")
    assert (shown.code, shown.errors) == (3, "")
    assert is_documented(shown.record)
    assert [each["exit"] for each in shown.record["problems"]] == [3, 8, 8, 8]


def test_what_is_no_code_is_shown_too(ipvm: "Ipvm") -> None:
    cid = ipvm("block", "put", given=b"text").line
    ended = ipvm("inspect", cid)
    assert ended.code == 4
    assert ended.text.startswith(f"{cid}\n")
    assert "not a WebAssembly module" in ended.text


def test_a_closure_beyond_the_limit_is_shown_as_far_as_it_goes(ipvm: "Ipvm", user: str) -> None:
    ended = ipvm("inspect", user, "--limit", "closure_modules_max=1", "--json")
    assert ended.code == 6


def test_names_that_would_play_tricks_are_escaped(ipvm: "Ipvm", make: "Make") -> None:
    text = r'(module (memory (export "\1b[2J\u{202e}") 1))'
    shown = ipvm("inspect", make("tricks", text)).text
    assert r"\x1b[2J\u202e" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("target", "code"), [("nowhere", 4), (Cid.of(b"absent"), 3), ("bafyabc", 4), ("", 4)]
)
def test_a_target_that_names_nothing_is_refused(ipvm: "Ipvm", target: object, code: int) -> None:
    assert ipvm("inspect", target).code == code
