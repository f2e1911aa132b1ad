"""Know that the file is whole, before LMDB walks into it.

LMDB maps the file, and a page that the header claims but the file does not have kills the process
that touches it. So the two lengths are compared whenever the file is opened. The shorter file may
be right, though: pages at the end that one transaction took and freed again are never written (with
many deletions, after one commit in six). A commit of ours fills such a gap, and where a gap is
found on opening, the tree is verified: either it has no page in the gap, or the file was cut off.

Verifying reads the pages of the tree, not the blocks, without LMDB; about 20 µs for each block.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import lmdb

from ipvm.store.conditions import StoreDamaged

DATA_FILE: Final = "data.mdb"
"""The file that holds everything; the lock file beside it may be lost without loss."""


def require_whole(path: Path, handle: lmdb.Environment) -> None:
    """Make sure that every page of the tree is in the file.

    Raises:
        StoreDamaged: One is not.
    """
    if not _gap(path, handle):
        return
    found = flaws(path, handle)
    if found:
        size = (path / DATA_FILE).stat().st_size
        raise StoreDamaged(path, f"{DATA_FILE} is cut off after {size} bytes: {found[0]}")
    fill_gap(path, handle)


def fill_gap(path: Path, handle: lmdb.Environment) -> None:
    """Make the file as long as its header says. Where that fails, opening it takes longer."""
    with suppress(OSError, lmdb.Error):
        if _gap(path, handle):
            with handle.begin(write=True):  # nobody else makes it longer meanwhile
                file = path / DATA_FILE
                os.truncate(file, file.stat().st_size + _gap(path, handle))


def flaws(path: Path, handle: lmdb.Environment) -> list[str]:
    """Return what is wrong with the pages of the tree; empty if they are sound.

    The read transaction keeps pages from being used again meanwhile. What seems wrong is looked at
    once more while nobody writes (unless the file is read-only): its length was taken before its
    header was read.
    """
    with handle.begin():
        found = _flaws(path)
    if found:
        with suppress(lmdb.Error), handle.begin(write=True):
            found = _flaws(path)
    return found


def _gap(path: Path, handle: lmdb.Environment) -> int:
    """By how many bytes the file is shorter than its header says."""
    claimed = (handle.info()["last_pgno"] + 1) * handle.stat()["psize"]
    return max(0, claimed - (path / DATA_FILE).stat().st_size)


def _flaws(path: Path) -> list[str]:
    from lmdb import verify  # noqa: PLC0415  (a long module, rarely needed)

    try:
        # The module does not say its types.
        found: list[str] = verify.verify(str(path))  # type: ignore[no-untyped-call]
    except verify.VerifyError as flaw:
        return [str(flaw)]
    return found
