"""The options that every command takes."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ipvm.ipld import Cid

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm, Make

CID = str(Cid.of(b"elsewhere"))


def test_the_store_may_be_named_before_the_command_and_after_it(ipvm: "Ipvm", store: Path) -> None:
    elsewhere = store.with_name("elsewhere")
    assert ipvm("block", "put", "--store", elsewhere, given=b"elsewhere").line == CID
    assert ipvm("block", "get", CID).code == 3
    for words in (
        ["--store", elsewhere, "block", "get", CID],
        ["block", "--store", elsewhere, "get", CID],
        ["block", "get", "--store", elsewhere, CID],
        ["block", "get", CID, f"--store={elsewhere}"],
    ):
        assert ipvm(*words).output == b"elsewhere"


def test_blocks_come_from_other_stores_in_turn(ipvm: "Ipvm", store: Path) -> None:
    empty, full = store.with_name("empty"), store.with_name("full")
    empty.mkdir()
    ipvm("block", "put", "--store", full, given=b"elsewhere")
    assert ipvm("--from", empty, "block", "get", CID, "--from", full).output == b"elsewhere"
    assert ipvm("block", "get", CID, "--offline").output == b"elsewhere"
    ended = ipvm("block", "get", CID, "--from", store.with_name("nowhere"))
    assert ended.code == 2
    assert "--from" in ended.errors


def test_a_limit_can_be_lowered_and_raised(ipvm: "Ipvm", make: "Make", math: str) -> None:
    user = make("user", '(module (import "math" "trap" (func)))', math=math)
    for option in (["--limit", "closure_modules_max=1"], ["--limit=closure_modules_max=1"]):
        ended = ipvm("graph", user, *option)
        assert ended.code == 6
        assert "--limit closure_modules_max=VALUE" in ended.errors
    limits = ["--limit", "closure_modules_max=2", "--limit", "closure_depth_max=2"]
    assert ipvm("graph", user, *limits).code == 0


@pytest.mark.parametrize(
    "limit",
    ["modules", "closure_modules_max", "closure_modules_max=", "closure_modules_max=0",
     "closure_modules_max=-1", "closure_modules_max=1e3", "closure_modules_max=" + "9" * 30],
)  # fmt: skip
def test_a_limit_is_a_name_and_a_number(ipvm: "Ipvm", math: str, limit: str) -> None:
    ended = ipvm("inspect", math, "--limit", limit)
    assert ended.code == 2
    assert "--limit" in ended.errors


def test_json_is_one_object_and_nothing_beside_it(ipvm: "Ipvm", math: str) -> None:
    for words in (["--json", "publish", math], ["publish", math, "--json"]):
        ended = ipvm(*words)
        assert ended.record["$type"] == "ipvm/publish/1"
        assert ended.errors == ""


def test_quiet_is_quiet_but_for_failures(ipvm: "Ipvm", math: str) -> None:
    assert ipvm("--quiet", "call", math, "add", 1, 2).errors == ""
    assert ipvm("call", math, "trap", "--quiet").errors.startswith("Error: ")


def test_the_version_is_told(ipvm: "Ipvm") -> None:
    assert ipvm("--version").text.startswith("ipvm 0.")


def test_a_command_that_is_spelled_wrong_is_suggested(ipvm: "Ipvm") -> None:
    ended = ipvm("insepct")
    assert ended.code == 2
    assert "did you mean inspect?" in ended.errors
    assert "there are publish, call," in ipvm("zzz").errors
    assert ipvm("zzz", "--json").error["error"] == "UsageError"


def test_help_comes_when_nothing_is_said(ipvm: "Ipvm") -> None:
    ended = ipvm()
    assert (ended.code, ended.text) == (2, "")
    assert "Commands:" in ended.errors
    for option in ("--help", "-h"):
        assert "Commands:" in ipvm(option).text


def test_a_folder_whose_name_is_no_text_is_a_folder(
    ipvm: "Ipvm", make: "Make", tmp_path: Path
) -> None:
    odd = os.fsdecode(bytes(tmp_path) + b"/\xff\x1b")
    function = make(odd, "(module)")
    for words in (["publish", function], ["store", "stat"], ["store", "check"], ["doctor"]):
        assert ipvm(*words, "--store", f"{odd}/store").code == 0
        record = ipvm(*words, "--store", f"{odd}/store", "--json").record
        assert r"\xff" in json.dumps(record) or words[1:] == ["check"]
