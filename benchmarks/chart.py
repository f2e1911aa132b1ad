"""Draw ratios as a chart: one bar for each line of the report, on a logarithmic scale.

A bar begins at 1, where both sides take the same time, and goes to the left where ours takes less,
to the right where it takes more. A tick stands where the ratio has to be. Colours follow those of
whoever looks, light or dark. The same results give the same bytes.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

from benchmarks.report import Result, title

__all__ = ["to_svg"]

_WIDTH: Final = 1000
_LEFT: Final = 400
"""Where the scale begins; names stand before it."""
_RIGHT: Final = 890
"""Where it ends; figures stand behind it."""
_TOP: Final = 92
_STEP: Final = 22
_BAR: Final = 12
_BOTTOM: Final = 40
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STYLE: Final = """
    text { font: 12px sans-serif; fill: #1f2328; }
    .head { font-size: 16px; font-weight: 600; }
    .name { text-anchor: end; }
    .scale { text-anchor: middle; }
    .paper { fill: #ffffff; }
    .grid { stroke: #d1d9e0; }
    .one, .tick { stroke: #1f2328; }
    .tick { stroke-width: 3; }
    .less { fill: #1a7f64; }
    .more { fill: #bc4c00; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .paper { fill: #0d1117; }
      .grid { stroke: #3d444d; }
      .one, .tick { stroke: #e6edf3; }
      .less { fill: #3fb68b; }
      .more { fill: #f0883e; }
    }
"""
"""Plain rules and no variables, which some that draw SVG do not know."""


class _Drawn(NamedTuple):
    """A line of the chart."""

    name: str
    ratio: float
    bar: float | None
    met: bool | None


def to_svg(results: Sequence[Result], about: Mapping[str, str | int]) -> str:
    """Give the chart of all lines that have a ratio, as SVG."""
    drawn = list(_drawn(results))
    low, high = _decades(drawn)
    height = _TOP + _STEP * len(drawn) + _BOTTOM
    told = ", ".join(f"{name} {value}" for name, value in about.items())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        "  <title>Benchmarks of ipvm</title>",
        "  <desc>Our time divided by the time of the rival, for each path.</desc>",
        f"  <style>{_STYLE}  </style>",
        f'  <rect class="paper" width="{_WIDTH}" height="{height}"/>',
        '  <text class="head" x="20" y="30">Our time divided by that of the rival</text>',
        '  <text x="20" y="52">Left of 1 our side is faster. A ratio should end left of its tick.</text>',
        *_scale(low, high, height),
    ]
    for number, line in enumerate(drawn):
        parts += _bar(line, _TOP + _STEP * number, low, high)
    parts.append(f'  <text x="20" y="{height - 14}">{_text(told)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _drawn(results: Sequence[Result]) -> Iterator[_Drawn]:
    for result in results:
        for line in result.lines:
            if line.ratio is not None and math.isfinite(line.ratio) and line.ratio > 0:
                bar = line.bar if line.bar_on == "ratio" else None
                met = line.met if bar is not None else None
                yield _Drawn(f"{title(result.row, line)} / {line.beside}", line.ratio, bar, met)


def _decades(drawn: Sequence[_Drawn]) -> tuple[int, int]:
    """Give the powers of ten between which everything stands, with 1 in between."""
    figures = [1.0, *(line.ratio for line in drawn), *(line.bar for line in drawn if line.bar)]
    low = math.floor(math.log10(min(figures)))
    return min(low, -1), max(math.ceil(math.log10(max(figures))), 1)


def _scale(low: int, high: int, height: int) -> Iterator[str]:
    for power in range(low, high + 1):
        x = _place(10.0**power, low, high)
        kind = "one" if power == 0 else "grid"
        yield f'  <line class="{kind}" x1="{x}" x2="{x}" y1="{_TOP - 6}" y2="{height - _BOTTOM}"/>'
        yield f'  <text class="scale" x="{x}" y="{_TOP - 12}">{10.0**power:g}</text>'


def _bar(line: _Drawn, top: int, low: int, high: int) -> Iterator[str]:
    one, end = _place(1, low, high), _place(line.ratio, low, high)
    kind = "less" if line.ratio <= 1 else "more"
    x, width = f"{min(one, end):.1f}", f"{abs(end - one):.1f}"
    base = top + _BAR - 2
    verdict = {None: "", True: ", met", False: ", not met"}[line.met]
    yield f'  <text class="name" x="{_LEFT - 12}" y="{base}">{_text(line.name)}</text>'
    yield f'  <rect class="{kind}" x="{x}" y="{top}" width="{width}" height="{_BAR}"/>'
    if line.bar is not None:
        at = _place(line.bar, low, high)
        yield f'  <line class="tick" x1="{at}" x2="{at}" y1="{top - 3}" y2="{top + _BAR + 3}"/>'
    yield f'  <text x="{_RIGHT + 10}" y="{base}">{line.ratio:.3g}{verdict}</text>'


def _place(ratio: float, low: int, high: int) -> float:
    """Give where a ratio stands on the scale."""
    share = (math.log10(ratio) - low) / (high - low)
    return round(_LEFT + share * (_RIGHT - _LEFT), 1)


def _text(text: str) -> str:
    """Write a text into XML, without the characters that XML has no way to write."""
    return escape(_NOT_XML.sub("\ufffd", text))
