"""`python -m benchmarks [NAME…] [--json] [--quick]`: measure rows, all of them if none is named."""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

import trio

from benchmarks.report import Result, machine, to_json, to_table
from benchmarks.row import Effort, Row, Unmeasurable
from benchmarks.rows import ROWS
from ipvm.engine import selftest

FULL: Final = Effort(rounds=41, round_seconds=0.02, row_seconds=10)
QUICK: Final = Effort(rounds=1, round_seconds=0, row_seconds=0, small=True)


def main() -> None:
    """Run the command line."""
    parser = _parser()
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; --help lists them")
    rows = [ROWS[name] for name in options.names or ROWS]
    results = trio.run(_measure, rows, QUICK if options.quick else FULL)
    if options.json:
        print(to_json(results))
        return
    print(to_table(results))
    about = ", ".join(f"{name} {value}" for name, value in machine().items())
    print(f"\n{about}" + (". --quick: these figures show that the rows run." * options.quick))


async def _measure(rows: Sequence[Row], effort: Effort) -> list[Result]:
    # An engine of a rival that is there before ours leaves the first trap to faulthandler.
    selftest.require()
    results: list[Result] = []
    for row in rows:
        print(f"{row.name}: {row.about}", file=sys.stderr)
        try:
            results.append(Result(row=row, lines=await row.measure(effort)))
        except Unmeasurable as missing:
            results.append(Result(row=row, missing=str(missing)))
    return results


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure paths of the runtime beside their rivals; see docs/performance.md.",
        epilog="rows:\n" + "\n".join(f"  {row.name:<14} {row.about}" for row in ROWS.values()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a row; all if none is named")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="run each row once, on little work")
    return parser


if __name__ == "__main__":
    main()
