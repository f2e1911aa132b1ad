"""`ipvm store`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
import pytest

from ipvm.engine import text_to_module

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm


def rot(store: Path) -> None:
    """Change what is kept under every hash."""
    with lmdb.Environment(str(store), map_size=2**30) as environment:
        with environment.begin(write=True) as transaction:
            for key, value in list(transaction.cursor()):
                if value.endswith(b"sound"):
                    transaction.put(key, value[:-5] + b"rotten")


def test_it_tells_where_the_store_is_and_what_it_holds(
    ipvm: "Ipvm", store: Path, is_documented: Callable[[object], bool]
) -> None:
    assert ipvm("store", "stat", "--json").record["blocks"] == 0
    assert not store.exists()
    ipvm("block", "put", given=b"1234")
    assert f"path        {store}\nblocks      1\nblock_bytes 4\n" in ipvm("store", "stat").text
    record = ipvm("store", "stat", "--json").record
    assert is_documented(record)
    assert record["path"] == str(store)
    assert ipvm("store", "--store", store / "other", "stat", "--json").record["blocks"] == 0


def test_it_tells_where_the_cache_is_and_what_it_holds(
    ipvm: "Ipvm",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_documented: Callable[[object], bool],
) -> None:
    monkeypatch.setenv("IPVM_CACHE", str(tmp_path / "cache"))
    record = ipvm("store", "stat", "--json").record
    assert is_documented(record)
    folder = tmp_path / "cache" / "artifacts"
    assert record["cache"] == {
        "path": str(folder),
        "artifacts": 0,
        "bytes": 0,
        "bytes_max": 2**31,
        "problem": None,
    }
    assert not folder.exists()
    cid = ipvm("block", "put", given=text_to_module('(module (func (export "f")))')).line
    ipvm("call", cid, "f")
    files = list(folder.glob("*.cwasm"))
    held = sum(file.stat().st_size for file in files)
    room = "artifact_cache_bytes_max=100000"
    found = ipvm("store", "stat", "--json", "--limit", room).record["cache"]
    assert (found["artifacts"], found["bytes"], found["bytes_max"]) == (len(files), held, 100_000)
    assert len(files) >= 1
    text = ipvm("store", "stat").text
    assert f"\n\npath        {folder}\nartifacts   {len(files)}\nbytes       {held}\n" in text
    assert "problem" not in text


def test_it_leaves_the_cache_alone_when_it_should(
    ipvm: "Ipvm", is_documented: Callable[[object], bool]
) -> None:
    record = ipvm("store", "stat", "--json", "--no-cache").record
    assert record["cache"] is None
    assert is_documented(record)
    assert ipvm("store", "stat", "--no-cache").text.endswith("\n\ncache       not used\n")


def test_it_tells_why_nothing_can_be_kept(
    ipvm: "Ipvm", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "artifacts").touch()
    monkeypatch.setenv("IPVM_CACHE", str(tmp_path))
    ended = ipvm("store", "stat")
    assert ended.code == 0
    assert f"\nproblem     [Errno 17] File exists: '{tmp_path}/artifacts'\n" in ended.text


def test_a_sound_store_passes(ipvm: "Ipvm", is_documented: Callable[[object], bool]) -> None:
    ipvm("block", "put", given=b"sound")
    ended = ipvm("store", "check")
    assert (ended.code, ended.text) == (0, "")
    assert "1 block, 5 bytes, 0 faults" in ended.errors
    assert is_documented(ipvm("store", "check", "--json").record)


def test_a_block_that_has_rotted_is_named(
    ipvm: "Ipvm", store: Path, is_documented: Callable[[object], bool]
) -> None:
    cid = ipvm("block", "put", given=b"sound").line
    ipvm("block", "put", given=b"another")
    rot(store)
    ended = ipvm("store", "check")
    assert ended.code == 4
    assert ended.line.startswith(f"{cid}  ")
    assert "1 fault in" in ended.errors
    record = ipvm("store", "check", "--json").record
    assert is_documented(record)
    assert [fault["cid"] for fault in record["faults"]] == [cid]
    ipvm("block", "put", given=b"sound")
    assert ipvm("store", "check").code == 0


@pytest.mark.parametrize("name", ["stat", "check"])
def test_what_is_no_store_is_left_alone(ipvm: "Ipvm", tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    ended = ipvm("store", name, "--store", tmp_path)
    assert (ended.code, ended.text) == (4, "")
    assert "--store or IPVM_STORE" in ended.errors
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_group_alone_says_what_there_is(ipvm: "Ipvm") -> None:
    ended = ipvm("store")
    assert ended.code == 2
    assert "Verify the store" in ended.errors
    assert ipvm("store", "zzz").code == 2
