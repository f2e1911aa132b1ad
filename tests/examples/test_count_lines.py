"""Example 13: a program in C that counts the lines of all files below a folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

import ipvm

FILES = 4000
TEXTS = 50
NAME = "the log of a machine with a long name, number {:05}.log"
"""So long that a folder of that many is sharded."""


@pytest.fixture(scope="module")
def count(built: Callable[[str], Path]) -> Path:
    """The program."""
    return built("13-count-lines") / "count.wasm"


async def test_it_counts_a_sharded_folder_of_thousands_of_files(
    node: ipvm.Node, count: Path, tmp_path: Path
) -> None:
    texts = {NAME.format(index): b"line\n" * (index % TEXTS) for index in range(FILES)}
    (tmp_path / "many").mkdir()
    for name, text in texts.items():
        (tmp_path / "many" / name).write_bytes(text)
    (tmp_path / "alone.txt").write_bytes(b"no line end")
    result = await node.run(count, ["/inputs"], input=tmp_path)
    lines = (await node.files.read(result.stdout)).decode().splitlines()
    shown = {"alone.txt": b"no line end"} | {f"many/{name}": texts[name] for name in sorted(texts)}
    assert lines[:-1] == [
        f"{text.count(10):10} {len(text):12} /inputs/{path}" for path, text in shown.items()
    ]
    text = b"".join(shown.values())
    assert lines[-1] == f"{text.count(10):10} {len(text):12} in {FILES + 1} files"
    assert (result.exit, await node.files.read(result.stderr)) == (0, b"")
    shards = len(result.reads) - TEXTS
    assert shards > 100


async def test_links_are_not_followed_and_folders_may_be_empty(
    node: ipvm.Node, count: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(".")
    result = await node.run(count, ["/inputs"], input=tmp_path)
    assert await node.files.read(result.stdout) == b"         0            0 in 0 files\n"


async def test_it_goes_on_behind_what_is_not_there(node: ipvm.Node, count: Path) -> None:
    mounts = {"/in/a.txt": b"1\n2\n"}
    result = await node.run(count, ["/in/none", "/in", "/other"], mounts=mounts)
    assert result.exit == 1
    assert (await node.files.read(result.stderr)).splitlines() == [
        b"count: /in/none: No such file or directory",
        b"count: /other: No such file or directory",
    ]
    assert await node.files.read(result.stdout) == (
        b"         2            4 /in/a.txt\n         2            4 in 1 files\n"
    )


async def test_it_says_how_it_is_used(node: ipvm.Node, count: Path) -> None:
    result = await node.run(count)
    assert (result.exit, await node.files.read(result.stderr)) == (2, b"usage: count PATH...\n")


async def test_the_same_folder_gives_the_same_record_whatever_the_order_on_the_disk(
    node: ipvm.Node, count: Path, tmp_path: Path
) -> None:
    names = [f"{number}.txt" for number in range(20)]
    for folder, order in (("one", names), ("other", names[::-1])):
        (tmp_path / folder).mkdir()
        for name in order:
            (tmp_path / folder / name).write_text(name)
    one, other = [
        await node.run(count, ["inputs"], input=tmp_path / folder) for folder in ("one", "other")
    ]
    assert one.cid == other.cid
