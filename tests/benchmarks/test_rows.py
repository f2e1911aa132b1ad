"""Each row of the benchmarks runs, on little work, and gives figures."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import TypedDict

import pytest

ROWS = (
    "scalar-inner",
    "call-isolated",
    "call-blocks",
    "bytes-64k",
    "cid-to-cid",
    "block-read",
    "link-1000",
    "process",
    "waiting-1000",
    "cpu-bound",
    "profile-cost",
    "stages-scalar",
    "stages-blocks",
)
BESIDE_EXTISM = {"call-isolated", "bytes-64k"}
OURS_ALONE = {"stages-scalar", "stages-blocks"}


class Line(TypedDict):
    row: str
    ours: float
    rival: float | None
    ratio: float | None
    bar: float | None
    met: bool | None


class Report(TypedDict):
    lines: Sequence[Line]
    missing: Mapping[str, str]


def run(root: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *options],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def report(root: Path) -> Report:
    """What all rows give, run once with the least that they can do."""
    done = run(root, "--quick", "--json")
    assert done.returncode == 0, done.stderr
    found: Report = json.loads(done.stdout)
    return found


def test_every_row_is_named_here(report: Report) -> None:
    measured = {line["row"] for line in report["lines"]}
    assert measured | set(report["missing"]) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_gives_figures(report: Report, name: str) -> None:
    if name in BESIDE_EXTISM and find_spec("extism") is None:
        pytest.skip(report["missing"][name])
    lines = [line for line in report["lines"] if line["row"] == name]
    assert lines
    for line in lines:
        assert isfinite(line["ours"])
        assert (line["rival"] is None) == (line["ratio"] is None)
        assert (line["bar"] is None) == (line["met"] is None)
    assert name in OURS_ALONE or lines[0]["ratio"] is not None


def test_the_table_has_a_line_for_each_part_of_a_row(root: Path) -> None:
    done = run(root, "--quick", "waiting-1000")
    head, _, first, second, *_ = done.stdout.splitlines()
    assert head.split("|")[1].strip() == "path"
    assert first.split("|")[1].strip() == "waiting-1000"
    assert second.split("|")[1].strip() == "waiting-1000: memory more"


def test_a_row_that_does_not_exist_is_refused(root: Path) -> None:
    done = run(root, "--quick", "waiting-1001")
    assert done.returncode == 2
    assert "no row waiting-1001" in done.stderr
