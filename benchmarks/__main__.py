"""`python -m benchmarks [NAME…]`: measure rows, all of them if none is named.

How fast anything is never changes the exit code: bars say where this is going.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import trio

from benchmarks.chart import to_svg
from benchmarks.markdown import to_markdown
from benchmarks.report import Result, machine, to_json, to_table, verdict
from benchmarks.row import Effort, Row, Unmeasurable
from benchmarks.rows import ROWS
from ipvm.engine import selftest


def _silently(_word: str) -> None:
    """Take a word to nobody."""


FULL: Final = Effort(rounds=41, round_seconds=0.02, row_seconds=10, tell=_silently, skip=_silently)
QUICK: Final = replace(FULL, rounds=1, round_seconds=0, row_seconds=0, small=True)

_QUICK_SAYS: Final = {"figures": "of --quick, that mean nothing but that the rows run"}


def main() -> None:
    """Run the command line."""
    parser = _parser()
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; --help lists them")
    rows = [ROWS[name] for name in options.names or ROWS]
    about = machine() | (_QUICK_SAYS if options.quick else {})
    results = trio.run(_measure, rows, QUICK if options.quick else FULL)
    if options.json:
        print(to_json(results, about))
    elif options.markdown:
        print(to_markdown(results, about))
    else:
        print(f"{to_table(results)}\n\n{verdict(results, judge=not options.quick)}\n")
        told = ", ".join(f"{name} {value}" for name, value in about.items())
        print(told)
    if options.svg:
        _write(parser, options.svg, to_svg(results, about))


async def _measure(rows: Sequence[Row], effort: Effort) -> list[Result]:
    # An engine of a rival that is there before ours leaves the first trap to faulthandler.
    selftest.require()
    results: list[Result] = []
    for number, row in enumerate(rows, 1):
        _tell(f"[{number}/{len(rows)}] {row.name}: {row.about}")
        began = time.perf_counter()
        results.append(await _row(row, effort))
        _tell(f"    {time.perf_counter() - began:.1f} s")
    return results


async def _row(row: Row, effort: Effort) -> Result:
    missing: list[str] = []

    def skip(reason: str) -> None:
        missing.append(reason)
        _tell(f"    NOT MEASURED: {reason}")

    try:
        lines = await row.measure(
            replace(effort, tell=lambda word: _tell(f"    {word}"), skip=skip)
        )
    except Unmeasurable as reason:
        skip(str(reason))
        lines = ()
    return Result(row=row, lines=lines, missing=missing)


def _tell(word: str) -> None:
    print(word, file=sys.stderr, flush=True)


def _write(parser: argparse.ArgumentParser, path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as failure:
        parser.error(f"cannot write {path}: {failure.strerror}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure paths of the runtime beside their rivals; see docs/performance.md.",
        epilog="rows:\n" + "\n".join(f"  {row.name:<14} {row.about}" for row in ROWS.values()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a row; all if none is named")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    form.add_argument("--markdown", action="store_true", help="print the tables of the docs")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the ratios into a file too")
    parser.add_argument("--quick", action="store_true", help="run each row once, on little work")
    return parser


if __name__ == "__main__":
    main()
