"""Find the Kubo that tests run against, or build one where they look for it.

    python tests/kubo.py

prints its path. It is built with Go from the module of Kubo, which takes some minutes and 2 GB, and is
kept in the cache folder of the user, outside of any checkout: nothing here is built twice. Tests look at
the variable IPVM_KUBO first, then there, then at `ipfs` on PATH, and are skipped without any of them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "v0.39.0"
MODULE = f"github.com/ipfs/kubo@{VERSION}"
TAGS = "untested_go_version"
"""A library below Kubo names the newest Go that it was tried with, and takes others with this tag."""


def place(cache: str | None) -> Path:
    """Where it is kept."""
    return Path(cache or Path.home() / ".cache") / "ipvm-tests" / f"kubo-{VERSION}" / "ipfs"


def find(cache: str | None) -> Path | None:
    """Give the Kubo that is here; None if there is none."""
    named = os.environ.get("IPVM_KUBO")
    if named:
        return Path(named)
    if place(cache).is_file():
        return place(cache)
    found = shutil.which("ipfs")
    return Path(found) if found else None


def build(target: Path) -> None:
    """Build it, and put it there when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        environment = os.environ | {
            "GOPATH": f"{work}/path",
            "GOCACHE": f"{work}/cache",
            "GOFLAGS": "-modcacherw",
        }
        found = subprocess.run(
            ["go", "mod", "download", "-json", MODULE],
            check=True, cwd=work, env=environment, stdout=subprocess.PIPE,
        )  # fmt: skip
        subprocess.run(
            ["go", "build", f"-tags={TAGS}", "-o", f"{work}/ipfs", "./cmd/ipfs"],
            check=True, cwd=json.loads(found.stdout)["Dir"], env=environment,
        )  # fmt: skip
        os.replace(f"{work}/ipfs", target)


if __name__ == "__main__":
    CACHE = os.environ.get("XDG_CACHE_HOME")
    if find(CACHE) is None:
        build(place(CACHE))
    sys.stdout.write(f"{find(CACHE)}\n")
