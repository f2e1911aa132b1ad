"""Offline is a value: the source that has nothing, and says so at once."""

from typing import NoReturn, final

from trio.lowlevel import checkpoint

from ipvm.ipld import BlockNotFound, Cid


class OfflineBlockNotFound(BlockNotFound):
    """The block is not in the store, and there was nobody else to ask."""

    def __str__(self) -> str:
        return f"{super().__str__()} in the store, and the runtime is offline: it has no sources"


@final
class Offline:
    """A Source without blocks."""

    async def fetch(self, cid: Cid) -> NoReturn:
        """Raise OfflineBlockNotFound."""
        await checkpoint()
        raise OfflineBlockNotFound(cid)
