"""Read the CSV files of a shop."""

import csv
from pathlib import Path


def read(path: Path) -> list[dict[str, str]]:
    """Read all rows, as what stands in them by the names of the columns."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
