"""Show results: as a table for a person, or as JSON for a program."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.row import Line, Row, Unit
from ipvm.engine import wasmtime_version

__all__ = ["Result", "machine", "to_json", "to_table"]

_HEAD: Final = ("path", "ours", "rival", "ratio (middle half)", "bar", "met")
_UNITS: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a row.

    Attributes:
        row: The row.
        lines: Its lines; none where it was not measured.
        missing: Why it was not measured; None where it was.
    """

    row: Row
    lines: Sequence[Line] = field(default=())
    missing: str | None = None


def machine() -> dict[str, str | int]:
    """Tell what the figures depend on most."""
    return {
        "cores": os.cpu_count() or 1,
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "wasmtime": wasmtime_version(),
    }


def to_json(results: Sequence[Result]) -> str:
    """Give the results as JSON. Seconds and megabytes are plain numbers."""
    lines = [
        {
            "row": result.row.name,
            "part": line.part,
            "ours": line.ours,
            "rival": line.rival,
            "unit": line.unit,
            "ratio": line.ratio,
            "spread": line.spread,
            "bar": line.bar,
            "met": line.met,
        }
        for result in results
        for line in result.lines
    ]
    missing = {each.row.name: each.missing for each in results if each.missing is not None}
    value = {
        "$type": "ipvm-benchmarks/1",
        "machine": machine(),
        "lines": lines,
        "missing": missing,
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def to_table(results: Sequence[Result]) -> str:
    """Give the results as a Markdown table, which a terminal shows as well."""
    cells = [_HEAD, *(_cells(result.row, line) for result in results for line in result.lines)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    text = [_joined(row, widths) for row in cells]
    text.insert(1, "|".join(["", *("-" * (width + 2) for width in widths), ""]))
    text += [
        f"{result.row.name} was not measured: {result.missing}"
        for result in results
        if result.missing is not None
    ]
    return "\n".join(text)


def _joined(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
    return f"| {' | '.join([first, *others])} |"


def _cells(row: Row, line: Line) -> tuple[str, ...]:
    return (
        f"{row.name}: {line.part}" if line.part else row.name,
        _quantity(line.ours, line.unit),
        "" if line.rival is None else _quantity(line.rival, line.unit),
        _ratio(line),
        _bar(line),
        {None: "", True: "yes", False: "no"}[line.met],
    )


def _ratio(line: Line) -> str:
    if line.ratio is None or line.spread is None:
        return ""
    low, high = line.spread
    return f"{line.ratio:.3g} ({low:.3g} to {high:.3g})"


def _bar(line: Line) -> str:
    if line.bar is None:
        return ""
    return f"≤ {line.bar:g}" if line.ratio is not None else f"≤ {_quantity(line.bar, line.unit)}"


def _quantity(amount: float, unit: Unit) -> str:
    if unit == "MB":
        return f"{amount:.3g} MB"
    size, name = next((each for each in _UNITS if amount >= each[0]), _UNITS[-1])
    return f"{amount / size:.3g} {name}"
