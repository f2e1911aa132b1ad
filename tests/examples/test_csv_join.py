"""Example 12: a program in C, and the same in Zig, that joins CSV files by CID."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings, strategies as st

import ipvm
from ipvm.runtime.running import CommandResult
from ipvm.store import Memory

FOLDER = "12-csv-join"
ARGUMENTS = ["/inputs/left.csv", "/inputs/right.csv", "/outputs/joined.csv"]
JOINED = "/outputs/joined.csv"

EMPTY = ipvm.Cid.parse("bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354")
"""The empty folder."""

Rows = list[list[str]]


@pytest.fixture(scope="module", params=["join.wasm", "join-zig.wasm"], ids=["C", "Zig"])
def join(request: pytest.FixtureRequest, built: Callable[[str], Path]) -> Path:
    """The program."""
    return built(FOLDER) / str(request.param)


async def run(node: ipvm.Node, join: Path, column: str, left: bytes, right: bytes) -> CommandResult:
    mounts = {"/inputs/left.csv": left, "/inputs/right.csv": right}
    return await node.run(join, [column, *ARGUMENTS], mounts=mounts)


async def joined(node: ipvm.Node, join: Path, column: str, left: bytes, right: bytes) -> bytes:
    result = await run(node, join, column, left, right)
    assert (result.exit, await node.files.read(result.stderr)) == (0, b"")
    return await node.files.read(f"{result.outputs['/outputs']}/joined.csv")


JOINS = {
    "the rows that agree": (b"k,a\n1,x\n2,y\n", b"k,b\n2,z\n", b"k,a,b\r\n2,y,z\r\n"),
    "in the order of the left": (
        b"k,a\n2,x\n1,y\n",
        b"k,b\n1,p\n2,q\n",
        b"k,a,b\r\n2,x,q\r\n1,y,p\r\n",
    ),
    "each with each": (
        b"k,a\n1,x\n1,y\n",
        b"b,k\np,1\nq,1\n",
        b"k,a,b\r\n1,x,p\r\n1,x,q\r\n1,y,p\r\n1,y,q\r\n",
    ),
    "no rows": (b"k,a\n", b"k,b\n", b"k,a,b\r\n"),
    "no last line end": (b"k,a\n1,x", b"k,b\n1,y", b"k,a,b\r\n1,x,y\r\n"),
    "CRLF": (b"k,a\r\n1,x\r\n", b"k,b\r\n1,y\r\n", b"k,a,b\r\n1,x,y\r\n"),
    "quotes": (
        b'"k",a\n"1","x, ""y""\r\nz"\n',
        b'k,b\n1,""""\n',
        b'k,a,b\r\n1,"x, ""y""\r\nz",""""\r\n',
    ),
    "needless quotes": (b'"k","a"\n"1","x"\n', b"k,b\n1,y\n", b"k,a,b\r\n1,x,y\r\n"),
    "empty fields": (b"k,a\n,\n", b"k,b\n,\n", b"k,a,b\r\n,,\r\n"),
    "one column": (b"k\n1\n\n", b"k\n\n1\n", b"k\r\n1\r\n\r\n"),
    "any bytes": (b"k,a\n\xff\0,\0\n", b"k,b\n\xff\0,\xfe\n", b"k,a,b\r\n\xff\0,\0,\xfe\r\n"),
    "a field of a megabyte": (
        b"k,a\n1," + b"x" * 2**20,
        b"k,b\n1,y",
        b"k,a,b\r\n1," + b"x" * 2**20 + b",y\r\n",
    ),
}


@pytest.mark.parametrize(("left", "right", "expected"), JOINS.values(), ids=list(JOINS))
async def test_it_joins(
    node: ipvm.Node, join: Path, left: bytes, right: bytes, expected: bytes
) -> None:
    assert await joined(node, join, "k", left, right) == expected


@pytest.mark.parametrize(
    ("workdir", "paths"),
    [
        ("/inputs", ["left.csv", "sub/right.csv", JOINED]),
        ("/inputs/sub", ["/inputs/left.csv", "right.csv", JOINED]),
        ("/outputs", ["/inputs/left.csv", "/inputs/sub/right.csv", "joined.csv"]),
    ],
)
async def test_relative_paths_begin_in_the_working_folder(
    node: ipvm.Node, join: Path, workdir: str, paths: list[str], tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "left.csv").write_bytes(b"k,a\n1,x\n")
    (tmp_path / "sub" / "right.csv").write_bytes(b"k,b\n1,y\n")
    result = await node.run(join, ["k", *paths], input=tmp_path, workdir=workdir)
    assert (result.exit, await node.files.read(result.stderr)) == (0, b"")
    made = await node.files.read(f"{result.outputs['/outputs']}/joined.csv")
    assert made == b"k,a,b\r\n1,x,y\r\n"


REFUSED = {
    "an empty file": (b"", "left.csv: the file is empty, and has not even a header"),
    "no such column": (b"a,b\n1,2\n", "left.csv:1: there is no such column"),
    "too few fields": (b"k,a\n1,2\n1\n", "left.csv:3: this row has 1 fields, and the header 2"),
    "too many fields": (b"k,a\n1,2,3", "left.csv:2: this row has 3 fields, and the header 2"),
    "an open quote": (b'k,a\n1,2\n1,"\n\n', "left.csv:3: a quote is opened here and never closed"),
    "a quote inside": (
        b'k,a\n1,x"y"\n',
        "left.csv:2: a quote inside a field that begins without one",
    ),
    "more than quoted": (
        b'k,a\n1,"x\n"y\n',
        "left.csv:3: something between a closing quote and the end of its field",
    ),
    "a lone CR": (b"k,a\r1,x\r", "left.csv:1: a carriage return without a line feed"),
}


@pytest.mark.parametrize(("left", "message"), REFUSED.values(), ids=list(REFUSED))
async def test_it_refuses_and_leaves_no_half_of_a_file(
    node: ipvm.Node, join: Path, left: bytes, message: str
) -> None:
    result = await run(node, join, "k", left, b"k,b\n1,x\n")
    assert await node.files.read(result.stderr) == f"join: /inputs/{message}\n".encode()
    assert (result.exit, await node.files.read(result.stdout)) == (1, b"")
    assert result.outputs["/outputs"] == EMPTY


@pytest.mark.parametrize("words", [[], ["k"], ["k", *ARGUMENTS, "more"]])
async def test_it_says_how_it_is_used(node: ipvm.Node, join: Path, words: Sequence[str]) -> None:
    result = await node.run(join, words)
    assert (result.exit, await node.files.read(result.stderr)) == (
        2,
        b"usage: join COLUMN LEFT RIGHT OUTPUT\n",
    )


@pytest.mark.parametrize(
    ("paths", "wrong"),
    [
        (["/inputs/none.csv", "/inputs/right.csv", JOINED], "/inputs/none.csv"),
        (["/inputs/../right.csv", "/inputs/right.csv", JOINED], "/inputs/../right.csv"),
        (["/inputs/left.csv", "/inputs", JOINED], "/inputs"),
        (["/inputs/left.csv", "/etc/passwd", JOINED], "/etc/passwd"),
        (["/inputs/left.csv", "/inputs/right.csv", "/inputs/new.csv"], "/inputs/new.csv"),
        (["/inputs/left.csv", "/inputs/right.csv", "/outputs/no/new.csv"], "/outputs/no/new.csv"),
    ],
)
async def test_it_names_the_path_that_is_no_file(
    node: ipvm.Node, join: Path, paths: list[str], wrong: str
) -> None:
    mounts = {"/inputs/left.csv": b"k\n1\n", "/inputs/right.csv": b"k\n1\n"}
    result = await node.run(join, ["k", *paths], mounts=mounts)
    assert result.exit == 1
    assert (await node.files.read(result.stderr)).startswith(f"join: {wrong}: ".encode())


TABLES = st.integers(0, 3).flatmap(
    lambda width: st.lists(
        st.tuples(
            st.sampled_from(["", "1", "2", '"', ","]),
            *[st.text(st.sampled_from('a,"\r\n é'), max_size=4)] * width,
        ).map(list),
        max_size=8,
    ).map(lambda rows: [["k", *"abc"[:width]], *rows])
)


@settings(max_examples=25)
@given(left=TABLES, right=TABLES)
def test_a_csv_reader_sees_the_join(join: Path, left: Rows, right: Rows) -> None:
    async def main() -> bytes:
        async with ipvm.open(store=Memory()) as node:
            return await joined(node, join, "k", written(left), written(right))

    expected = [left[0] + right[0][1:]]
    expected += [
        [*one, *other[1:]] for one in left[1:] for other in right[1:] if one[0] == other[0]
    ]
    rows = csv.reader(io.StringIO(trio.run(main).decode(), newline=""))
    assert [row or [""] for row in rows] == expected  # an empty line is one empty field


def written(rows: Rows) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def test_both_languages_write_the_same_cid(
    node: ipvm.Node, built: Callable[[str], Path], examples: Path
) -> None:
    words = ["customer", "/inputs/customers.csv", "/inputs/orders.csv", JOINED]
    results = [
        await node.run(built(FOLDER) / program, words, input=examples / FOLDER / "shop")
        for program in ("join.wasm", "join-zig.wasm")
    ]
    assert results[0].outputs == results[1].outputs
    assert results[0].stdout == results[1].stdout
    assert results[0].cid != results[1].cid
