"""`ipvm store`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import lmdb
import pytest

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
