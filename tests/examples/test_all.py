"""What holds for every example: it has a README, and two stores agree about it."""

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import ipvm
from ipvm.store import Memory

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FOLDERS = sorted(path.name for path in EXAMPLES.glob("*/"))
DATA = re.compile(r'\(data (?:\(memory \$\w+\) )?\(i32\.const (\d+)\)\s*"([^"]*)"\)')

Published = Mapping[str, ipvm.Cid]
CALLS: list[tuple[str, str, Callable[[Published], list[object]]]] = [
    ("01-first", "add", lambda _: [2, 3]),
    ("01-first", "fib", lambda _: [90]),
    ("01-first", "fib", lambda _: [93]),
    ("01-first", "greet", lambda _: ["World"]),
    ("02-link/poly", "eval", lambda _: [[1.0, 2, 3], 2.0]),
    ("03-swap/tax", "tax", lambda _: [250, 1.0]),
    ("04-diamond/top", "run", lambda _: []),
    ("05-values/document", "make", lambda _: ["A note", b"Remember the milk."]),
    ("05-values/document", "make", lambda _: [None, b""]),
    ("06-call/careful", "attempt", lambda cids: [cids["06-call/tasks"], "half", 10, 10**6]),
    ("06-call/careful", "attempt", lambda cids: [cids["06-call/tasks"], "share", 0, 10**6]),
    (
        "07-executor/executor",
        "run",
        lambda cids: [
            list(cids.values()),
            cids["07-executor/words"],
            cids["07-executor/sum"],
        ],
    ),
    ("08-c/slug", "slug", lambda _: ["Hello, World!"]),
]


def sources() -> list[Path]:
    """What can be published: each folder with an ipvm.toml, and code that lies outside of these."""
    folders = [path.parent for path in EXAMPLES.rglob("ipvm.toml")]
    loose = [path for path in EXAMPLES.rglob("*.wat") if path.parent not in folders]
    return sorted([*folders, *loose])


async def publish_all(node: ipvm.Node, paths: list[Path]) -> dict[str, ipvm.Cid]:
    cids = {path.relative_to(EXAMPLES).as_posix(): await node.publish(path) for path in paths}
    return dict(sorted(cids.items()))


async def receipts(paths: list[Path]) -> list[tuple[ipvm.Cid, int | None]]:
    async with ipvm.open(store=Memory()) as node:
        cids = await publish_all(node, paths)
        made = []
        for name, function, arguments in CALLS:
            program = await node.load(cids[name])
            receipt = await program[function].receipt(*arguments(cids))
            made.append((receipt.cid, receipt.fuel))
        return made


async def test_two_stores_give_the_same_receipts() -> None:
    paths = sources()
    assert await receipts(paths) == await receipts(paths[::-1])


async def test_a_copy_elsewhere_has_the_same_cids(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "elsewhere")
    async with ipvm.open(store=Memory()) as node:
        for path in sources():
            copy = tmp_path / "elsewhere" / path.relative_to(EXAMPLES)
            assert await node.publish(copy) == await node.publish(path)


async def test_every_function_says_what_it_does() -> None:
    async with ipvm.open(store=Memory()) as node:
        for path in sources():
            closure = await node.survey(path)
            manifest = closure.nodes[closure.root].manifest
            for name, signature in (manifest.exports if manifest else {}).items():
                assert signature.doc, f"{path}: {name}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_example_has_a_readme_and_is_listed(folder: str) -> None:
    assert (EXAMPLES / folder / "README.md").is_file()
    assert f"({folder}/README.md)" in (EXAMPLES / "README.md").read_text()


@pytest.mark.parametrize(
    "source",
    sorted(EXAMPLES.rglob("*.wat")),
    ids=lambda path: path.relative_to(EXAMPLES).as_posix(),
)
def test_a_source_opens_with_what_it_does(source: Path) -> None:
    lines = source.read_text().splitlines()
    assert lines[0].startswith(";; ")
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    "source",
    sorted(EXAMPLES.rglob("*.wat")),
    ids=lambda path: path.relative_to(EXAMPLES).as_posix(),
)
def test_messages_are_given_with_their_length(source: Path) -> None:
    text = source.read_text()
    for address, message in DATA.findall(text):
        length = len(re.sub(r"\\[0-9a-f]{2}", "?", message))
        uses = re.findall(rf"\(i32\.const {address}\) \(i32\.const (\d+)\)", text)
        assert set(uses) <= {str(length)}, message
