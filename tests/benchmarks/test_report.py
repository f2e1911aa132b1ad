"""What a report says: figures a person can read, bars met and not met, and what was left out."""

from collections.abc import Callable

import pytest

from benchmarks.markdown import to_markdown
from benchmarks.report import Result, quantity, to_table, verdict
from benchmarks.row import Line

Results = Callable[..., Result]


def line(ratio: float, bar: float | None = None, *, part: str = "", beside: str = "rival") -> Line:
    return Line(
        ours=ratio, rival=1, beside=beside, part=part, ratio=ratio, spread=(ratio, ratio), bar=bar
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.5, "1.5 s"), (0.02, "20 ms"), (3e-6, "3 µs"), (4.56e-9, "4.56 ns"), (0, "0 ns")],
)
def test_seconds_are_told_in_the_unit_that_suits(seconds: float, text: str) -> None:
    assert quantity(seconds, "s") == text


def test_the_end_says_which_bars_are_met_and_by_how_much_others_are_not(result: Results) -> None:
    beat = Line(ours=0.03, bar=0.01, bar_on="ours")
    told = verdict([result("a", line(0.5, 1)), result("b", line(3, 2)), result("beat", beat)])
    assert told.splitlines() == [
        "1 of 3 bars are met.",
        "not met: b beside rival: 3, ≤ 2, 1.5 times the bar",
        "not met: beat: 30 ms, ≤ 10 ms, 3 times the bar",
    ]


def test_what_was_not_measured_is_told_with_the_reason(result: Results) -> None:
    told = verdict([result("a", missing=("node is not installed",))])
    assert told == "not measured in a: node is not installed"


def test_a_line_without_a_bar_is_not_judged(result: Results) -> None:
    assert verdict([result("a", line(9))]) == ""


def test_each_line_of_the_table_names_its_rival(result: Results) -> None:
    _, _, row = to_table([result("a", line(2, 4, part="x"))]).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["a: x", "2 s", "1 s", "rival", "2 (2 to 2)", "≤ 4", "yes"]


def test_the_docs_show_each_computation_in_a_row_of_its_own(result: Results) -> None:
    lines = [
        line(1.25, part="deterministic", beside="wasmtime-py"),
        line(1.125, part="fast", beside="wasmtime-py"),
        line(2.5, part="fast", beside="node"),
    ]
    text = to_markdown([result("fib", *lines), result("a", line(2))], {"cores": 2})
    row = next(each for each in text.splitlines() if each.startswith("| `fib`"))
    assert [cell.strip() for cell in row.strip("|").split("|")][1:3] == ["1.25", "1.12"]
    assert row.rstrip("| ").endswith("2.50")
    assert text.startswith("Measured on: cores 2.")
    assert "| a " in text
