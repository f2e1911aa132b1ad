"""`ipvm cat`, `ls`, `get` and `stat`, on trees that are made of blocks."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ipvm.ipld import DAG_PB, Block, Cid, Value

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm


@pytest.fixture
def tree(ipvm: "Ipvm") -> str:
    """A folder of two files, one of them in two parts, and of a folder."""

    def put(block: Block, codec: str = "raw") -> Cid:
        assert ipvm("block", "put", "--codec", codec, given=block.data).line == str(block.cid)
        return block.cid

    def node(message: bytes, links: dict[str, Cid] | list[Cid]) -> Cid:
        named = links.items() if isinstance(links, dict) else [("", cid) for cid in links]
        listed: list[Value] = [{"Hash": cid, "Name": name, "Tsize": 1} for name, cid in named]
        block = Block.encode({"Data": message, "Links": listed}, codec=DAG_PB)
        return put(block, "dag-pb")

    parts = [put(Block.of(b"hello ")), put(Block.of(b"world"))]
    large = node(b"\x08\x02\x18\x0b\x20\x06\x20\x05", parts)
    timed = node(b"\x08\x02\x12\x01x\x38\xa4\x03\x42\x02\x08\x05", [])
    return str(node(b"\x08\x01", {"a": large, "b": timed, "c\n": node(b"\x08\x01", {})}))


def test_files_are_written_one_behind_the_other(ipvm: "Ipvm", tree: str) -> None:
    assert ipvm("cat", f"{tree}/a").output == b"hello world"
    assert ipvm("cat", f"/ipfs/{tree}/a", f"ipfs://{tree}/b").output == b"hello worldx"
    for offset, length, expected in ((4, 4, b"o wo"), (10, 9, b"dx"), (11, 1, b"x"), (99, 1, b"")):
        words = ("cat", f"{tree}/a", f"{tree}/b", "--offset", offset, "--length", length)
        assert ipvm(*words).output == expected
    record = ipvm("cat", f"{tree}/b", "--json").record
    assert record["data"] == {"/": {"bytes": "eA"}}


def test_a_missing_part_ends_the_output_and_is_named(ipvm: "Ipvm", tree: str) -> None:
    lost = str(Block.of(b"world").cid)
    ipvm("block", "rm", lost)
    ended = ipvm("cat", f"{tree}/a", "--offline")
    assert (ended.code, ended.output) == (3, b"hello ")
    assert lost in ended.errors
    assert f"{tree}/a" in ended.errors


def test_a_folder_is_listed(ipvm: "Ipvm", tree: str) -> None:
    assert ipvm("ls", tree).text == "a\nb\nc\\n\n"
    lines = ipvm("ls", "-l", tree).text.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["-", "-", "11"],
        ["-", "0644", "1"],
        ["d", "-", "-"],
    ]
    entries = ipvm("ls", tree, "-l", "--json").record["entries"]
    assert [each["kind"] for each in entries] == ["file", "file", "directory"]
    assert ipvm("ls", tree, "--json").record["entries"][2]["name"] == "c\n"
    assert ipvm("ls", f"{tree}/a").code == 4


def test_a_place_is_described(ipvm: "Ipvm", tree: str) -> None:
    record = json.loads(ipvm("stat", f"{tree}/b", "--json").text)
    assert (record["kind"], record["size"], record["mode"], record["mtime"]) == (
        "file",
        1,
        420,
        "5",
    )
    assert "size  11" in ipvm("stat", f"{tree}/a").text.splitlines()
    assert ipvm("stat", f"{tree}/nothing").code == 3


def test_a_tree_is_written_to_the_disk(ipvm: "Ipvm", tree: str, tmp_path: Path) -> None:
    ended = ipvm("get", tree, "-o", tmp_path / "out", "--json")
    assert (ended.record["files"], ended.record["bytes"]) == (2, 12)
    assert (tmp_path / "out" / "a").read_text() == "hello world"
    assert ipvm("get", tree, "-o", tmp_path / "out").code == 6
    assert ipvm("get", tree, "-o", tmp_path / "out", "--force").code == 0


def test_a_tree_gets_the_last_name_of_its_path(
    ipvm: "Ipvm", tree: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ipvm("get", f"{tree}/a").line == "a"
    assert (tmp_path / "a").read_text() == "hello world"
    assert ipvm("get", f"ipfs://{tree}").line == tree
