"""Run the command `ipvm` in a process of its own, and tell how much memory it occupies at most."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import trio

from benchmarks.measure import Rounds, Side, seconds_of
from benchmarks.row import Effort, Line

__all__ = ["few_rounds", "ipvm_command", "peak_line", "run_command"]

_ROUNDS_MAX: Final = 5
_PEAK_BAR: Final = 200

_KILOBYTE: Final = 1024
_MEGABYTE: Final = 1_000_000
_MEASURED: Final = """
import atexit, re, sys
from pathlib import Path

def tell():
    status = Path("/proc/self/status").read_text("ascii")
    print("peak", re.search(r"^VmHWM:\\s*(\\d+) kB$", status, re.MULTILINE)[1], file=sys.stderr)

atexit.register(tell)
from ipvm.cli import main
main()
"""
"""What the system counts for a child that has ended is no use: its parent is counted in."""


def ipvm_command(*arguments: str) -> list[str]:
    """Give the command line that runs `ipvm`."""
    return [sys.executable, "-m", "ipvm", *arguments]


async def few_rounds(sides: Mapping[str, Side], effort: Effort) -> Rounds:
    """Run all sides in turns, once before it counts, and not often: each takes seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(min(effort.rounds, _ROUNDS_MAX) + 1):
        for name in sorted(sides, reverse=bool(number % 2)):
            taken = await seconds_of(sides[name], 1)
            if number:
                seconds[name].append(taken)
    return Rounds(seconds)


async def run_command(command: Sequence[str], environment: Mapping[str, str]) -> bytes:
    """Run a command to its end, and give what it prints."""
    done = await trio.run_process(
        list(command), env={**os.environ, **environment}, capture_stdout=True
    )
    return bytes(done.stdout)


async def peak_line(arguments: Sequence[str], environment: Mapping[str, str]) -> Line:
    """Run `ipvm`, throw away what it prints, and tell the most memory that it occupied."""
    done = await trio.run_process(
        [sys.executable, "-c", _MEASURED, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        capture_stderr=True,
    )
    (peak,) = (line.split()[1] for line in done.stderr.splitlines() if line.startswith(b"peak "))
    megabytes = int(peak) * _KILOBYTE / _MEGABYTE
    return Line(part="peak memory", ours=megabytes, unit="MB", bar=_PEAK_BAR, bar_on="ours")
