"""Each row of the benchmarks runs, on little work, and gives figures."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TypedDict

import pytest

from benchmarks.rows import ROWS

OURS_ALONE = {
    "stages-scalar",
    "stages-blocks",
    "bitswap-1k",
    "bitswap-256k",
    "bitswap-one",
    "gateway-helia",
}
"""Rows without a rival, or with one that takes minutes to install."""
EXTRA = {"bitswap-1k", "bitswap-256k", "bitswap-one"}
"""Rows that need the extra `p2p`."""
BARS = {
    "scalar-inner",
    "call-isolated",
    "call-session",
    "call-blocks",
    "bytes-64k",
    "cid-to-cid",
    "block-read",
    "link-1000",
    "process",
    "waiting-1000",
    "throughput",
    "heartbeat",
    "ending",
    "add-1g",
    "cat-1g",
    "random-read",
    "bitswap-1k",
    "bitswap-256k",
    "bitswap-one",
    "gateway-256k",
    "gateway-helia",
    "files-100000",
}
"""Rows of which the design says how fast they have to be."""
MEASURED = tuple(ROWS)


class Line(TypedDict):
    row: str
    ours: float
    rival: float | None
    beside: str
    ratio: float | None
    bar: float | None
    met: bool | None


class Report(TypedDict):
    lines: Sequence[Line]
    missing: Mapping[str, Sequence[str]]


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


def test_every_row_is_measured(report: Report) -> None:
    unmeasured = set(ROWS) - {line["row"] for line in report["lines"]}
    assert unmeasured <= EXTRA & report["missing"].keys()


@pytest.mark.parametrize("name", MEASURED)
def test_a_row_gives_figures(report: Report, name: str) -> None:
    lines = [line for line in report["lines"] if line["row"] == name]
    assert lines or name in EXTRA & report["missing"].keys()
    for line in lines:
        assert isfinite(line["ours"])
        assert (line["rival"] is None) == (line["ratio"] is None) == (not line["beside"])
        assert (line["bar"] is None) == (line["met"] is None)
    assert name in OURS_ALONE or lines[0]["ratio"] is not None


def test_the_bars_of_the_design_stand_in_the_rows(report: Report) -> None:
    judged = {line["row"] for line in report["lines"] if line["bar"] is not None}
    assert judged | report["missing"].keys() >= BARS


@pytest.mark.parametrize("rival", ["extism", "node"])
def test_a_rival_takes_part_or_the_report_says_why_not(report: Report, rival: str) -> None:
    beside = {line["beside"] for line in report["lines"]}
    assert rival in beside or any(rival in str(each) for each in report["missing"].values())


def test_the_table_has_a_line_for_each_part_of_a_row(root: Path) -> None:
    done = run(root, "--quick", "waiting-1000")
    head, _, *lines = done.stdout.splitlines()
    assert head.split("|")[1].strip() == "path"
    names = [line.split("|")[1].strip() for line in lines if line.startswith("|")]
    assert names == ["waiting-1000", "waiting-1000", "waiting-1000: memory more"]


def test_progress_goes_to_standard_error(root: Path) -> None:
    done = run(root, "--quick", "instantiate")
    assert done.stderr.startswith("[1/1] instantiate: ")
    assert "    a memory\n" in done.stderr


def test_without_node_the_rest_is_measured_and_the_report_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    done = run(root, "--quick", "--json", "scalar-inner")
    found: Report = json.loads(done.stdout)
    (reason,) = found["missing"]["scalar-inner"]
    assert "node is not installed" in reason
    assert f"NOT MEASURED: {reason}" in done.stderr
    assert "wasmtime-py" in {line["beside"] for line in found["lines"]}


def test_slow_figures_are_no_failure(root: Path) -> None:
    done = run(root, "--quick", "scalar-inner")
    assert done.returncode == 0
    assert "that mean nothing" in done.stdout


def test_a_chart_is_written_beside_the_table(root: Path, tmp_path: Path) -> None:
    chart = tmp_path / "chart.svg"
    done = run(root, "--quick", "--svg", str(chart), "block-read")
    assert "| block-read" in done.stdout
    assert chart.read_text("utf-8").startswith("<svg ")


def test_a_chart_that_cannot_be_written_is_told_after_the_table(root: Path, tmp_path: Path) -> None:
    done = run(root, "--quick", "--svg", str(tmp_path / "absent" / "chart.svg"), "block-read")
    assert "| block-read" in done.stdout
    assert done.returncode == 2
    assert "No such file or directory" in done.stderr


def test_a_row_that_does_not_exist_is_refused(root: Path) -> None:
    done = run(root, "--quick", "waiting-1001")
    assert done.returncode == 2
    assert "no row waiting-1001" in done.stderr
