"""The chart: valid XML, whatever stands in it, and each bar and tick at its place."""

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from benchmarks.chart import to_svg
from benchmarks.report import Result
from benchmarks.row import Line, Row

SVG = "{http://www.w3.org/2000/svg}"
Results = Callable[..., Result]


def line(ratio: float, bar: float | None = None, beside: str = "rival") -> Line:
    return Line(ours=ratio, rival=1, beside=beside, ratio=ratio, spread=(ratio, ratio), bar=bar)


def drawn(results: list[Result]) -> ET.Element:
    return ET.fromstring(to_svg(results, {"cores": 2}))  # noqa: S314 - our own


def bars(root: ET.Element) -> list[ET.Element]:
    return [each for each in root.iter(f"{SVG}rect") if each.get("class") in {"less", "more"}]


def test_a_faster_side_goes_left_of_one_and_a_slower_one_right(result: Results) -> None:
    root = drawn([result("a", line(0.1)), result("b", line(10))])
    one = float(next(e for e in root.iter(f"{SVG}line") if e.get("class") == "one").attrib["x1"])
    less, more = bars(root)
    assert less.get("class") == "less"
    assert float(less.attrib["x"]) + float(less.attrib["width"]) == one
    assert more.get("class") == "more"
    assert float(more.attrib["x"]) == one
    assert less.attrib["width"] == more.attrib["width"]


def test_the_scale_is_logarithmic(result: Results) -> None:
    ten, hundred = bars(drawn([result("a", line(10), line(100))]))
    assert float(hundred.attrib["width"]) == pytest.approx(2 * float(ten.attrib["width"]), abs=0.2)


def test_a_tick_stands_at_the_bar_and_words_say_whether_it_is_met(result: Results) -> None:
    root = drawn([result("a", line(0.1, bar=0.1), line(0.2, bar=0.1))])
    ticks = [each for each in root.iter(f"{SVG}line") if each.get("class") == "tick"]
    met, _ = bars(root)
    assert [float(tick.attrib["x1"]) for tick in ticks] == [float(met.attrib["x"])] * 2
    words = [each.text for each in root.iter(f"{SVG}text")]
    assert "0.1, met" in words
    assert "0.2, not met" in words


def test_a_line_without_a_ratio_is_left_out(result: Results) -> None:
    lines = (Line(ours=3, bar=5, bar_on="ours"), line(float("inf")), line(0))
    assert bars(drawn([result("a", *lines)])) == []


def test_a_chart_of_nothing_is_a_chart() -> None:
    assert bars(drawn([])) == []


def test_the_bar_of_an_absolute_figure_is_no_tick(result: Results) -> None:
    beat = Line(ours=0.001, rival=0.002, ratio=0.5, spread=(0.5, 0.5), bar=0.01, bar_on="ours")
    root = drawn([result("heartbeat", beat)])
    assert len(bars(root)) == 1
    assert not [each for each in root.iter(f"{SVG}line") if each.get("class") == "tick"]


def test_the_same_results_give_the_same_bytes(result: Results) -> None:
    results = [result("a", line(0.3, bar=0.4)), result("b", line(7))]
    assert to_svg(results, {"cores": 2}) == to_svg(results, {"cores": 2})


def test_it_has_colours_for_light_and_for_dark() -> None:
    style = to_svg([], {})
    assert "@media (prefers-color-scheme: dark)" in style
    assert "var(" not in style


@given(st.text(), st.text())
def test_any_text_stays_text(name: str, told: str) -> None:
    async def measure(_effort: object) -> list[Line]:
        return []

    svg = to_svg([Result(row=Row(name, "", measure), lines=[line(2)])], {"about": told})
    root = ET.fromstring(svg)  # noqa: S314 - our own
    assert len(bars(root)) == 1
    shown = [each.text or "" for each in root.iter(f"{SVG}text") if each.get("class") == "name"]
    written = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", name)
    assert shown == [re.sub("\r\n?", "\n", f"{written} / rival")]
