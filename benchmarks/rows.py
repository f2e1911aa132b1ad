"""All rows, in the order in which they are reported."""

from typing import Final

from benchmarks import calls, closure, links, processes, profiles, stages, together
from benchmarks.row import Row

__all__ = ["ROWS"]

ROWS: Final[dict[str, Row]] = {
    row.name: row
    for group in (
        calls.ROWS,
        links.ROWS,
        closure.ROWS,
        processes.ROWS,
        together.ROWS,
        profiles.ROWS,
        stages.ROWS,
    )
    for row in group
}
"""The rows by their names."""
