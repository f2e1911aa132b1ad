"""Print what docs/performance.md shows: the table, what profiles cost, and which bars are met."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from benchmarks.kernels import KERNELS, SETTINGS
from benchmarks.node import NODE
from benchmarks.report import Result, to_table, verdict
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
    """Give the tables of the docs."""
    kernels = {kernel.name for kernel in KERNELS}
    paths = [each for each in results if each.row.name not in kernels | STAGES_OF.keys()]
    measured = [f"{name} {value}" for name, value in about.items()]
    parts = [f"Measured on: {', '.join(measured)}.", to_table(paths)]
    parts += _costs(results)
    parts += _stages(results)
    parts += ["\n".join(f"* {line}" for line in verdict(results).splitlines())]
    return "\n\n".join(parts)


def _costs(results: Sequence[Result]) -> Iterator[str]:
    lines = {each.row.name: each.lines for each in results}
    found = [kernel for kernel in KERNELS if lines.get(kernel.name)]
    if not found:
        return
    rows = [["computation", *(head for head, _, _ in _COLUMNS)]]
    for kernel in found:
        ratios = [_ratio(lines[kernel.name], part, rival) for _, part, rival in _COLUMNS]
        rows.append([f"`{kernel.name}`: {kernel.about}", *ratios])
    yield _table(rows)


def _stages(results: Sequence[Result]) -> Iterator[str]:
    found = [each for each in results if each.row.name in STAGES_OF and each.lines]
    if not found:
        return
    times = [{line.part: f"{line.ours * 1e6:.1f} µs" for line in each.lines} for each in found]
    names = dict.fromkeys(name for each in times for name in each)
    rows = [["stage", *(f"`{STAGES_OF[each.row.name]}`" for each in found)]]
    rows += [[name, *(each.get(name, "") for each in times)] for name in names]
    yield _table(rows)


def _ratio(lines: Sequence[Line], part: str, rival: str) -> str:
    for line in lines:
        if line.part == part and line.beside == rival and line.ratio is not None:
            return f"{line.ratio:.2f}"
    return ""


def _table(rows: Sequence[Sequence[str]]) -> str:
    text = [f"| {' | '.join(row)} |" for row in rows]
    text.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(text)
