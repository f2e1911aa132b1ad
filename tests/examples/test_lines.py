"""Example 11: lines of files and folders, by their CIDs."""

from pathlib import Path

import pytest

import ipvm


@pytest.fixture
async def program(node: ipvm.Node, examples: Path) -> ipvm.Program:
    return await node.load(examples / "11-lines")


@pytest.mark.parametrize("text", ["", "no line", "one\n", "\n" * 100_000, "a line\n" * 300_000])
async def test_the_lines_of_a_file_are_counted(
    node: ipvm.Node, program: ipvm.Program, text: str
) -> None:
    assert await program.lines(await node.add(text.encode())) == text.count("\n")


async def test_the_lines_of_all_files_below_a_folder_are_counted(
    node: ipvm.Node, program: ipvm.Program, tmp_path: Path
) -> None:
    for number in range(40):
        folder = tmp_path / "folder" / f"{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").write_text("line\n" * number)
    (tmp_path / "folder" / "link").symlink_to("3")
    (tmp_path / "folder" / "empty").mkdir()
    assert await program.lines(await node.add(tmp_path / "folder")) == sum(range(40))


async def test_what_is_no_file_is_refused(node: ipvm.Node, program: ipvm.Program) -> None:
    for argument, code in ((await node.put_value({"a": 1}), 10), (None, 1)):
        with pytest.raises(ipvm.GuestError) as caught:
            await program.lines(argument)
        assert caught.value.code == code
