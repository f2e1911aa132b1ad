"""Example 09: a module that somebody else published, run by its CID."""

from collections.abc import Callable
from pathlib import Path

import pytest

import ipvm

SOURCE = "package main\nfunc  main( ){\nprintln( 1+2 )}\n"
FORMATTED = "package main\n\nfunc main() {\n\tprintln(1 + 2)\n}\n"

pytestmark = pytest.mark.network


@pytest.fixture(scope="session")
def package(fetched: Callable[[str, str], Path]) -> Path:
    """The folder of the package, fetched from the registry."""
    return fetched("@wasm-fmt/gofmt@0.7.3", "package/gofmt.wasm") / "package"


@pytest.fixture(scope="session")
def gofmt(package: Path) -> Path:
    """The module."""
    return package / "gofmt.wasm"


@pytest.fixture
async def formatter(node: ipvm.Node, examples: Path, gofmt: Path) -> ipvm.Program:
    """The adapter, which names the module by its CID."""
    await node.publish(gofmt)
    return await node.load(examples / "09-published" / "gofmt")


async def test_the_module_runs_by_its_cid(node: ipvm.Node, gofmt: Path) -> None:
    program = await node.load(await node.publish(gofmt))
    assert await program.output_len() == 0


async def test_the_adapter_gives_it_a_typed_function(formatter: ipvm.Program) -> None:
    assert await formatter.format(SOURCE) == FORMATTED
    assert await formatter.format(FORMATTED) == FORMATTED


async def test_a_long_text_goes_through_too(formatter: ipvm.Program) -> None:
    lines = 10_000
    source = "package main\n" + "var  x =1\n" * lines
    assert await formatter.format(source) == "package main\n\n" + "var x = 1\n" * lines


async def test_what_is_no_program_is_refused_in_the_words_of_the_formatter(
    formatter: ipvm.Program,
) -> None:
    with pytest.raises(ipvm.GuestError, match="expected type") as caught:
        await formatter.format("func ((")
    assert caught.value.code == 2


async def test_the_same_text_gives_the_same_receipt(formatter: ipvm.Program) -> None:
    first, second = [await formatter.format.receipt(SOURCE) for _ in range(2)]
    assert first.cid == second.cid


async def test_without_the_module_the_message_has_its_cid(node: ipvm.Node, examples: Path) -> None:
    cid = await node.publish(examples / "09-published" / "gofmt")
    with pytest.raises(ipvm.NotFound, match="bafkreibe3ixbw5wa5vpe4nssvkzfkjo5zyx23fmfhjizwhtxkd"):
        await node.load(cid)


def test_the_session_of_the_readme_prints_what_it_says(
    play_with: Callable[[str, Path], None], package: Path
) -> None:
    play_with("09-published", package)
