"""Show results: as a table for a person, or as JSON for a program."""

import json
import os
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final

from benchmarks.node import node_version
from benchmarks.row import Line, Row, Unit
from ipvm.engine import wasmtime_version

__all__ = ["Result", "machine", "quantity", "title", "to_json", "to_table", "verdict"]

_HEAD: Final = ("path", "ours", "rival", "beside", "ratio (middle half)", "bar", "met")
_UNITS: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a row.

    Attributes:
        row: The row.
        lines: Its lines; none where it was not measured.
        missing: What of it was not measured, and why.
    """

    row: Row
    lines: Sequence[Line] = field(default=())
    missing: Sequence[str] = field(default=())


def machine() -> dict[str, str | int]:
    """Tell what the figures depend on most."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "python": platform.python_version(),
        "wasmtime": wasmtime_version(),
        "extism": _version("extism"),
        "node": node_version(),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.machine()
    model = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return model[1] if model else platform.machine()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def to_json(results: Sequence[Result], about: dict[str, str | int]) -> str:
    """Give the results as JSON. Seconds and megabytes are plain numbers."""
    lines = [
        {
            "row": result.row.name,
            "part": line.part,
            "ours": line.ours,
            "rival": line.rival,
            "beside": line.beside,
            "unit": line.unit,
            "ratio": line.ratio,
            "spread": line.spread,
            "bar": line.bar,
            "bar_on": line.bar_on,
            "met": line.met,
        }
        for result in results
        for line in result.lines
    ]
    value = {
        "$type": "ipvm-benchmarks/1",
        "machine": about,
        "lines": lines,
        "missing": {each.row.name: list(each.missing) for each in results if each.missing},
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def to_table(results: Sequence[Result]) -> str:
    """Give the results as a Markdown table, which a terminal shows as well."""
    cells = [_HEAD, *(_cells(result.row, line) for result in results for line in result.lines)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    text = [_joined(row, widths) for row in cells]
    text.insert(1, "|".join(["", *("-" * (width + 2) for width in widths), ""]))
    return "\n".join(text)


def verdict(results: Sequence[Result], *, judge: bool = True) -> str:
    """Tell which bars are met, which are not and by how much, and what was not measured."""
    judged = list(_judged(results)) if judge else []
    missed = [text for met, text in judged if not met]
    parts = [f"{len(judged) - len(missed)} of {len(judged)} bars are met."] if judged else []
    parts += [f"not met: {text}" for text in missed]
    parts += [
        f"not measured in {result.row.name}: {reason}"
        for result in results
        for reason in result.missing
    ]
    return "\n".join(parts)


def _judged(results: Sequence[Result]) -> Iterator[tuple[bool, str]]:
    for result in results:
        for line in result.lines:
            if line.met is not None and line.bar is not None and line.judged is not None:
                found = f"{line.judged:.3g}" if line.bar_on == "ratio" else _ours(line)
                times = f"{line.judged / line.bar:.2g} times the bar"
                beside = f" beside {line.beside}" if line.beside else ""
                yield line.met, f"{title(result.row, line)}{beside}: {found}, {_bar(line)}, {times}"


def title(row: Row, line: Line) -> str:
    """Name a line."""
    return f"{row.name}: {line.part}" if line.part else row.name


def _joined(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
    return f"| {' | '.join([first, *others])} |"


def _cells(row: Row, line: Line) -> tuple[str, ...]:
    return (
        title(row, line),
        _ours(line),
        "" if line.rival is None else quantity(line.rival, line.unit),
        line.beside,
        _ratio(line),
        _bar(line),
        {None: "", True: "yes", False: "no"}[line.met],
    )


def _ours(line: Line) -> str:
    return quantity(line.ours, line.unit)


def _ratio(line: Line) -> str:
    if line.ratio is None or line.spread is None:
        return ""
    low, high = line.spread
    return f"{line.ratio:.3g} ({low:.3g} to {high:.3g})"


def _bar(line: Line) -> str:
    if line.bar is None:
        return ""
    return f"≤ {line.bar:.3g}" if line.bar_on == "ratio" else f"≤ {quantity(line.bar, line.unit)}"


def quantity(amount: float, unit: Unit) -> str:
    """Write an amount in the unit that suits its size."""
    if unit != "s":
        return f"{amount:.3g} {unit}"
    size, name = next((each for each in _UNITS if amount >= each[0]), _UNITS[-1])
    return f"{amount / size:.3g} {name}"
