"""Where bytes may come from, and why nobody needs to trust it.

A source answers with bytes that nobody has checked. `Sources` is the only caller, and makes a `Block`
of them or throws them away, so a source has nothing to verify and can do no harm by lying.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, final, runtime_checkable

from ipvm.ipld import Cid
from ipvm.store import Blockstore
from ipvm.store.car import Section

__all__ = ["DagSource", "NamedSource", "Source", "StoreSource"]


class Source(Protocol):
    """Somewhere bytes can be asked for by CID.

    Twice: asking again is allowed and may be answered otherwise.
    Together: any number of tasks may ask at once; the same CID is asked for once at a time.
    Cancellation: a cancelled fetch leaves nothing behind. It is cancelled when another source was
    faster, and when the time for a fetch is over.
    """

    async def fetch(self, cid: Cid) -> bytes:
        """Return bytes that are claimed to be the block of `cid`, unverified. A checkpoint.

        Raises:
            BlockNotFound: It is not there; said at once, not after a wait.
            Unavailable: Nobody answered in time; a later try may succeed.
        """
        ...


@runtime_checkable
class NamedSource(Protocol):
    """A source that people know by a name."""

    @property
    def name(self) -> str:
        """What to call it: an address, a folder."""
        ...


@runtime_checkable
class DagSource(Protocol):
    """A source that can send blocks in one answer that are linked to each other."""

    async def fetch(self, cid: Cid) -> bytes:
        """See `Source`."""
        ...

    def fetch_dag(
        self, root: Cid, path: Sequence[str] = ()
    ) -> AbstractAsyncContextManager[AsyncIterator[Section]]:
        """Send what is reached from the end of a path, and what is on the way, unverified.

        Parents come before children. Whether all comes is for the caller to see.

        Args:
            root: Where the path begins.
            path: Names of entries.

        Raises:
            IpvmError: As `fetch`, and whatever is wrong with the answer; also while iterating.
        """
        ...


@final
class StoreSource:
    """Another store as a source: that of a second machine on a disk, or a fixture of a test.

    Args:
        store: The store.
        name: What to call it.
    """

    def __init__(self, store: Blockstore, *, name: str = "another store") -> None:
        self._store = store
        self.name = name

    async def fetch(self, cid: Cid) -> bytes:
        """Return what the store keeps under `cid`."""
        return (await self._store.get(cid)).data
