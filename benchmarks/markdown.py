"""Print what docs/performance.md shows: the table, what profiles cost, and which bars are met."""

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.kernels import KERNELS, SETTINGS
from benchmarks.node import NODE
from benchmarks.report import Result, quantity, to_table, verdict
from benchmarks.row import Line
from benchmarks.stages import STAGES_OF
from benchmarks.stock import STOCK
from ipvm.engine import PROFILES

__all__ = ["to_markdown"]

_COLUMNS: Final = (
    *((profile, profile, STOCK) for profile in PROFILES),
    ("fast / deterministic", "fast", "deterministic"),
    *((part, part, STOCK) for part in SETTINGS),
    ("deterministic / V8", "deterministic", NODE),
    ("fast / V8", "fast", NODE),
)
"""For each column its head, and the part and the rival of the lines that it shows."""


def to_markdown(results: Sequence[Result], about: Mapping[str, str | int]) -> str:
    """Give the tables of the docs, each under its heading."""
    apart = {kernel.name for kernel in KERNELS} | STAGES_OF.keys()
    measured = ", ".join(f"{name} {value}" for name, value in about.items())
    bars = "\n".join(f"* {line}" for line in verdict(results).splitlines())
    parts = [
        f"Measured on: {measured}.",
        to_table([each for each in results if each.row.name not in apart]),
        *_under("### Bars", bars),
        *_under("### What each profile costs", _costs(results)),
        *_under("### Where the time of a call goes", _stages(results)),
    ]
    return "\n\n".join(parts)


def _under(heading: str, text: str) -> tuple[str, ...]:
    return (heading, text) if text else ()


def _costs(results: Sequence[Result]) -> str:
    lines = {each.row.name: each.lines for each in results}
    rows = [["computation", *(head for head, _, _ in _COLUMNS)]]
    for kernel in KERNELS:
        found = lines.get(kernel.name)
        if found:
            ratios = [_ratio(found, part, rival) for _, part, rival in _COLUMNS]
            rows.append([f"`{kernel.name}`: {kernel.about}", *ratios])
    return _table(rows)


def _stages(results: Sequence[Result]) -> str:
    found = [each for each in results if each.row.name in STAGES_OF and each.lines]
    times = [{line.part: quantity(line.ours, "s") for line in each.lines} for each in found]
    names = dict.fromkeys(name for each in sorted(times, key=len, reverse=True) for name in each)
    rows = [["stage", *(f"`{STAGES_OF[each.row.name]}`" for each in found)]]
    rows += [[name, *(each.get(name, "") for each in times)] for name in names]
    return _table(rows)


def _ratio(lines: Sequence[Line], part: str, rival: str) -> str:
    for line in lines:
        if line.part == part and line.beside == rival and line.ratio is not None:
            return f"{line.ratio:.2f}"
    return ""


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Write a table whose first row is its head; nothing where there is no other."""
    if len(rows) == 1:
        return ""
    text = [f"| {' | '.join(row)} |" for row in rows]
    text.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(text)
