"""Where bytes may come from, and why nobody needs to trust it.

A source answers with bytes that nobody has checked. `BlockService` is the only caller, and makes a
`Block` of them or throws them away, so a source has nothing to verify and can do no harm by lying.
"""

from typing import Protocol, final

from ipvm.ipld import Cid
from ipvm.store import Blockstore


class Source(Protocol):
    """Somewhere bytes can be asked for by CID.

    Twice: asking again is allowed and may be answered otherwise.
    Together: any number of tasks may ask at once; the same CID is asked for once at a time.
    Cancellation: a cancelled fetch leaves nothing behind.
    """

    async def fetch(self, cid: Cid) -> bytes:
        """Return bytes that are claimed to be the block of `cid`, unverified. A checkpoint.

        Raises:
            BlockNotFound: It is not there; said at once, not after a wait.
            Unavailable: Nobody answered in time; a later try may succeed.
        """
        ...


@final
class StoreSource:
    """Another store as a source: that of a second machine on a disk, or a fixture of a test."""

    def __init__(self, store: Blockstore) -> None:
        self._store = store

    async def fetch(self, cid: Cid) -> bytes:
        """Return what the store keeps under `cid`."""
        return (await self._store.get(cid)).data
