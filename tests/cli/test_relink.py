"""`ipvm relink`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm


@pytest.fixture
def tax(root: Path) -> Path:
    """The folder of the example that swaps a dependency."""
    return root / "examples" / "03-swap"


def test_a_dependency_is_swapped_and_the_old_root_stays(ipvm: "Ipvm", tax: Path) -> None:
    old = ipvm("publish", tax / "tax").line
    down = ipvm("publish", tax / "down").line
    ended = ipvm("relink", old, f"rounding={down}")
    assert ended.code == 0
    assert ended.line != old
    assert f"rounding is {down} now" in ended.errors
    assert ipvm("call", old, "tax", 150, 1).line == "2"
    assert ipvm("call", ended.line, "tax", 150, 1).line == "1"


def test_both_sides_may_be_paths(
    ipvm: "Ipvm", tax: Path, is_documented: Callable[[object], bool]
) -> None:
    ended = ipvm("relink", tax / "tax", f"rounding={tax / 'half-up'}", "--json")
    assert ended.errors == ""
    assert is_documented(ended.record)
    assert ended.record["cid"] == ended.record["root"]


@pytest.mark.parametrize(
    ("swaps", "code", "told"),
    [
        (["rounding"], 2, "NAME=TARGET"),
        (["=x"], 2, "NAME=TARGET"),
        ([], 2, "NAME=TARGET"),
        (["rounding=a", "rounding=b"], 2, "twice"),
        (["rounding=nowhere"], 4, '"nowhere"'),
        (["rounds={}/down"], 4, 'imports nothing from "rounds"'),
        (["rounding={}/tax"], 8, 'has no export "round"'),
    ],
)
def test_a_swap_that_cannot_be_is_refused(
    ipvm: "Ipvm", tax: Path, swaps: list[str], code: int, told: str
) -> None:
    ended = ipvm("relink", tax / "tax", *[swap.format(tax) for swap in swaps])
    assert (ended.code, ended.text) == (code, "")
    assert told in ended.errors
