"""`ipvm pin`, and what is pinned by other commands."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ipvm.ipld import Block

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm, Make

Documented = Callable[[Mapping[str, Any]], bool]
ABSENT = str(Block.of(b"absent").cid)


def put(ipvm: "Ipvm", text: str) -> str:
    return ipvm("block", "put", given=text.encode()).line


def tree(ipvm: "Ipvm") -> tuple[str, str]:
    """Keep a node and a leaf; give their CIDs."""
    leaf = put(ipvm, "leaf")
    return ipvm("dag", "put", given=b'[{"/": "%s"}]' % leaf.encode()).line, leaf


def test_what_is_pinned_is_listed(ipvm: "Ipvm") -> None:
    top, leaf = tree(ipvm)
    added = ipvm("pin", "add", top, leaf)
    assert (added.code, added.text) == (0, "")
    assert f"pinned {top}: 2 blocks" in added.errors
    ipvm("pin", "add", f"ipfs://{leaf}", "--direct", "--name", "a leaf")
    lines = sorted(f"recursive  {cid}" for cid in (top, leaf))
    assert sorted(ipvm("pin", "ls").text.splitlines()) == sorted(
        [*lines, f"direct     {leaf}  a leaf"]
    )


def test_pins_are_taken_away_by_cid(ipvm: "Ipvm") -> None:
    top, leaf = tree(ipvm)
    ipvm("pin", "add", top)
    ipvm("pin", "add", top, "--name", "x")
    ipvm("pin", "add", leaf)
    removed = ipvm("pin", "rm", top)
    assert removed.code == 0
    assert removed.errors == f"unpinned {top}\nunpinned {top}  x\n"
    assert ipvm("pin", "ls").line == f"recursive  {leaf}"


def test_to_unpin_what_is_not_pinned_changes_nothing(ipvm: "Ipvm") -> None:
    top, leaf = tree(ipvm)
    ipvm("pin", "add", top)
    ended = ipvm("pin", "rm", top, leaf)
    assert ended.code == 3
    assert f"{leaf} is not pinned" in ended.errors
    assert ipvm("pin", "ls").line == f"recursive  {top}"


def test_a_pin_needs_all_that_it_reaches(ipvm: "Ipvm") -> None:
    top = ipvm("dag", "put", given=b'[{"/": "%s"}]' % ABSENT.encode()).line
    ended = ipvm("pin", "add", top)
    assert ended.code == 3
    assert ABSENT in ended.errors
    assert ipvm("pin", "ls").text == ""
    assert ipvm("pin", "add", top, "--direct").code == 0


def test_what_is_missing_is_fetched_before_it_is_pinned(ipvm: "Ipvm", tmp_path: Path) -> None:
    top, leaf = tree(ipvm)
    here = ("--store", tmp_path / "here")
    source = ("--from", tmp_path / "store")
    assert ipvm("pin", "add", top, *here, *source, "--offline").code == 3
    assert ipvm("pin", "add", top, *here, *source).code == 0
    assert ipvm("block", "get", leaf, *here).output == b"leaf"


def test_a_name_is_for_one_cid(ipvm: "Ipvm") -> None:
    top, leaf = tree(ipvm)
    assert ipvm("pin", "add", top, leaf, "--name", "x").code == 2


def test_what_is_published_is_pinned_by_its_path(ipvm: "Ipvm", math: str) -> None:
    first = ipvm("publish", math).line
    assert ipvm("pin", "ls").line == f"partial    {first}  {math}"
    code = Path(math) / "code.wat"
    code.write_text(code.read_text().replace("i32.add", "i32.sub"))
    second = ipvm("publish", math).line
    assert ipvm("pin", "ls").line == f"partial    {second}  {math}"
    ipvm("gc")
    assert ipvm("call", second, "add", 3, 2, "--offline").line == "1"
    assert ipvm("block", "get", first).code == 3


def test_what_a_published_function_imports_is_kept_with_it(
    ipvm: "Ipvm", make: "Make", math: str
) -> None:
    cid = ipvm("publish", math, "--no-pin").line
    text = """(module (import "math" "add" (func (param i32 i32) (result i32))) (export "sum" (func 0)))"""
    top = ipvm("publish", make("top", text, math=cid)).line
    ipvm("gc")
    assert ipvm("call", top, "sum", 3, 2, "--offline", "--no-cache").line == "5"


def test_a_function_can_be_published_without_a_pin(ipvm: "Ipvm", math: str) -> None:
    cid = ipvm("publish", math, "--no-pin").line
    assert ipvm("pin", "ls").text == ""
    ipvm("gc")
    assert ipvm("block", "get", cid).code == 3


def test_a_receipt_is_pinned_with_all_that_it_names(ipvm: "Ipvm", math: str) -> None:
    cid = ipvm("publish", math, "--no-pin").line
    receipt = ipvm("call", cid, "add", 1, 2, "--receipt", "--json").record
    assert ipvm("pin", "ls").line == f"partial    {receipt['receipt']}"
    ipvm("gc")
    for each in (receipt["receipt"], receipt["invocation"], cid):
        assert ipvm("block", "get", each).code == 0


def test_pins_are_given_as_json(ipvm: "Ipvm", is_documented: Documented) -> None:
    top, _ = tree(ipvm)
    records = [
        ipvm("pin", "add", top, "--name", "x", "--json").record,
        ipvm("pin", "ls", "--json").record,
        ipvm("pin", "rm", top, "--json").record,
    ]
    assert records[0]["pinned"] == [
        {"cid": top, "reach": "recursive", "name": "x", "blocks": 2, "unknown": 0}
    ]
    assert records[1]["pins"] == [{"cid": top, "reach": "recursive", "name": "x"}]
    assert all(map(is_documented, records))


@pytest.mark.parametrize("words", [("add", "x"), ("rm", "x"), ("add", ABSENT, "--name", "n" * 501)])
def test_what_is_no_pin_is_refused(ipvm: "Ipvm", words: tuple[str, ...]) -> None:
    assert ipvm("pin", *words).code == 4
