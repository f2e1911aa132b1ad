"""Find and start the Kubo that tests run against, or build one where they look for it.

    python tests/kubo.py

prints its path. It is built with Go from the module of Kubo, which takes some minutes and 2 GB, and is
kept in the cache folder of the user, outside of any checkout: nothing here is built twice. Tests look at
the variable IPVM_KUBO first, then there, then at `ipfs` on PATH, and are skipped without any of them.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

VERSION = "v0.39.0"
MODULE = f"github.com/ipfs/kubo@{VERSION}"
TAGS = "untested_go_version"
"""A library below Kubo names the newest Go that it was tried with, and takes others with this tag."""


STOP_SECONDS_MAX = 20


@dataclass(frozen=True)
class Daemon:
    """A Kubo that runs with a repository of its own, on the loopback interface, and knows nobody."""

    program: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"IPFS_PATH": str(self.home), "IPFS_TELEMETRY": "off"}

    @property
    def api(self) -> str:
        return (self.home / "api").read_text().strip()

    @property
    def swarm(self) -> str:
        """Where its peers reach it."""
        addresses: list[str] = json.loads(self.run("id"))["Addresses"]
        return next(
            each for each in addresses if re.fullmatch(r"/ip4/[\d.]+/tcp/\d+/p2p/\w+", each)
        )

    def run(self, *words: object, given: bytes = b"") -> bytes:
        """Give a command to it, as a person does."""
        done = subprocess.run(
            [self.program, *map(str, words)],
            input=given,
            env=self.environment,
            capture_output=True,
            check=True,
            timeout=60,
        )
        return done.stdout


@contextmanager
def running(program: Path, home: Path) -> Iterator[Daemon]:
    """Let one run with a new repository, until the context ends."""
    daemon = Daemon(program, home)
    daemon.run("init", "--profile=test")
    for name in ("Gateway", "API"):
        daemon.run("config", f"Addresses.{name}", "/ip4/127.0.0.1/tcp/0")
    daemon.run("config", "--json", "Gateway.NoFetch", "true")
    daemon.run("config", "Routing.Type", "dht")  # others ask servers on the internet
    with subprocess.Popen(
        [daemon.program, "daemon"],
        env=daemon.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            assert b"Daemon is ready\n" in iter(process.stdout.readline, b""), "Kubo ended"
            yield daemon
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS_MAX)
            process.kill()


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
        folders = {"GOPATH": f"{work}/path", "GOCACHE": f"{work}/cache", "GOFLAGS": "-modcacherw"}

        def go(*words: str, folder: str) -> bytes:
            return subprocess.run(
                ["go", *words],  # noqa: S607 - whichever Go the user has
                check=True,
                cwd=folder,
                env=os.environ | folders,
                stdout=subprocess.PIPE,
            ).stdout

        module = json.loads(go("mod", "download", "-json", MODULE, folder=work))
        built = Path(work) / "ipfs"
        go("build", f"-tags={TAGS}", "-o", str(built), "./cmd/ipfs", folder=module["Dir"])
        built.replace(target)


if __name__ == "__main__":
    CACHE = os.environ.get("XDG_CACHE_HOME")
    if find(CACHE) is None:
        build(place(CACHE))
    sys.stdout.write(f"{find(CACHE)}\n")
