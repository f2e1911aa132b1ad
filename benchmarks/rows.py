"""All rows, in the order in which they are reported."""

from typing import Final

from benchmarks import (
    calls,
    closure,
    computing,
    folders,
    gateways,
    hostcalls,
    instances,
    kernels,
    large,
    links,
    loads,
    mapping,
    peers,
    processes,
    stages,
    together,
    wasi,
)
from benchmarks.row import Row

__all__ = ["ROWS"]

ROWS: Final[dict[str, Row]] = {
    row.name: row
    for group in (
        calls.ROWS,
        instances.ROWS,
        hostcalls.ROWS,
        wasi.ROWS,
        links.ROWS,
        loads.ROWS,
        closure.ROWS,
        processes.ROWS,
        together.ROWS,
        computing.ROWS,
        mapping.ROWS,
        kernels.ROWS,
        large.ROWS,
        folders.ROWS,
        peers.ROWS,
        gateways.ROWS,
        stages.ROWS,
    )
    for row in group
}
"""The rows by their names."""
