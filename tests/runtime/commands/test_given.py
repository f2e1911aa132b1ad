"""A command finds what it is given, where it was said to be, and nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ipvm
from ipvm.errors import InvalidArguments, NotFound
from ipvm.ipld import Cid

from .conftest import Run


@pytest.fixture
async def tree(node: ipvm.Node, tmp_path: Path) -> Cid:
    """`a.txt`, and `sub/b.txt`."""
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "a.txt").write_text("A\n")
    (tmp_path / "tree" / "sub" / "b.txt").write_text("B\n")
    return await node.add(tmp_path / "tree")


async def said(node: ipvm.Node, run: Run, *words: str, **options: object) -> list[str]:
    result = await run(*words, **options)
    assert (result.exit, await node.files.read(result.stderr)) == (0, b"")
    return (await node.files.read(result.stdout)).decode().splitlines()


async def test_arguments_and_its_name(node: ipvm.Node, run: Run) -> None:
    assert await said(node, run, "name", "args", "", "a b", "ü") == ["main", "args", "", "a b", "ü"]


async def test_its_environment_is_what_was_given(node: ipvm.Node, run: Run) -> None:
    assert await said(node, run, "env") == []
    env = {"B": "2=2", "A": "", "Ü": "ü"}
    assert await said(node, run, "env", env=env) == ["A=", "B=2=2", "Ü=ü"]


async def pieces() -> AsyncIterator[bytes]:
    yield b"one\n"
    yield b"two\n"


async def test_standard_input(node: ipvm.Node, run: Run) -> None:
    assert await said(node, run, "stdin") == []
    content = await node.add(b"one\ntwo\n")
    for stdin in (b"one\ntwo\n", content, str(content), ipvm.File(content), pieces()):
        assert await said(node, run, "stdin", stdin=stdin) == ["one", "two"]


async def test_folders_and_files_stand_where_they_are_mounted(
    node: ipvm.Node, run: Run, tree: Cid, tmp_path: Path
) -> None:
    mounts = {
        "/t": tree,
        "/deep/er": f"{tree}/sub",
        "/f/x.txt": f"{tree}/a.txt",
        "/f/y.txt": tmp_path / "tree" / "sub" / "b.txt",
        "/z.txt": b"Z\n",
    }
    words = [
        "cat",
        "/t/a.txt",
        "cat",
        "/t/sub/b.txt",
        "cat",
        "/deep/er/b.txt",
        "ls",
        "/f",
        "cat",
        "/f/y.txt",
        "cat",
        "/z.txt",
    ]
    assert await said(node, run, *words, mounts=mounts) == [
        *("A", "B", "B", ".", "..", "x.txt", "y.txt", "B", "Z"),
    ]


async def test_an_input_stands_in_two_places(
    node: ipvm.Node, run: Run, tree: Cid, tmp_path: Path
) -> None:
    for content in (tree, str(tree), f"ipfs://{tree}", tmp_path / "tree", str(tmp_path / "tree")):
        words = ["cat", "/inputs/a.txt", "cat", "inputs/sub/b.txt"]
        assert await said(node, run, *words, input=content) == ["A", "B"]


async def test_relative_paths_begin_in_the_working_folder(
    node: ipvm.Node, run: Run, tree: Cid
) -> None:
    words = ["cat", "b.txt"]
    assert await said(node, run, *words, mounts={"/t": tree}, workdir="/t/sub") == ["B"]
    words = ["put", "made.txt", "M", "cat", "/outputs/made.txt"]
    assert await said(node, run, *words, workdir="/outputs") == ["M"]


async def test_what_is_mounted_cannot_be_changed(node: ipvm.Node, run: Run, tree: Cid) -> None:
    for words in (["put", "/t/n", ""], ["append", "/t/a.txt", "x"], ["rm", "/t/a.txt"]):
        result = await run(*words, mounts={"/t": tree})
        assert result.exit == 1
        assert b"Read-only file system" in await node.files.read(result.stderr)


async def test_nothing_else_is_there(node: ipvm.Node, run: Run, tree: Cid) -> None:
    for path in ("/etc/passwd", "/t/../etc/passwd", "/t/../../etc/passwd", "/proc/self", "/"):
        result = await run("cat", path, mounts={"/t": tree})
        assert (result.exit, await node.files.read(result.stdout)) == (1, b"")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"mounts": {"/a/": b""}}, "not a path"),
        ({"mounts": {"": b""}}, "not a path"),
        ({"mounts": {"/a/../b": b""}}, "not a path"),
        ({"mounts": {"a": b""}}, "absolute path"),
        ({"mounts": {"/": b""}}, "absolute path"),
        ({"mounts": {"/outputs/a": b""}}, "cannot be mounted in /outputs"),
        ({"mounts": {"/a": "no/such/file"}}, "neither a file or folder here, nor a CID"),
        ({"outputs": ["a//b"]}, "not a path"),
        ({"workdir": "/nowhere"}, "no folder /nowhere to work in"),
        ({"workdir": "/outputs/sub"}, "no folder /outputs/sub to work in"),
        ({"env": {"A=B": ""}}, "no variable"),
        ({"env": {"": ""}}, "no variable"),
        ({"env": {"A": "\0"}}, "no variable"),
        ({"env": {"A": "\ud800"}}, "surrogate"),
        ({"env": {"A": "x" * 200_000}}, "at most 131072"),
        ({"input": b"a file"}, "the input is a folder"),
        ({"fuel": 0}, "fuel is a number from 1"),
    ],
)
async def test_what_it_cannot_be_given_is_refused(
    run: Run, options: dict[str, object], why: str
) -> None:
    with pytest.raises(InvalidArguments, match=why):
        await run("say", "hello", **options)


@pytest.mark.parametrize("word", ["\0", "\ud800", "x" * 200_000])
async def test_what_is_no_argument_is_refused(run: Run, word: str) -> None:
    with pytest.raises(InvalidArguments, match=r"args\[1\]"):
        await run(word)


async def test_a_folder_is_no_standard_input(run: Run, tree: Cid) -> None:
    with pytest.raises(InvalidArguments, match="standard input is a file"):
        await run("stdin", stdin=tree)


async def test_content_that_nobody_has_is_named_with_where_it_was_to_be(
    run: Run, tree: Cid
) -> None:
    missing = Cid.of(b"nobody has this")
    for option in ({"mounts": {"/a/b": missing}}, {"stdin": missing}):
        with pytest.raises(NotFound, match=str(missing)):
            await run("say", "hello", **option)
    with pytest.raises(NotFound, match="no 'c'"):
        await run("say", "hello", mounts={"/a": f"{tree}/c"})
