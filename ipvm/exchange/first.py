"""Several sources as one: each is asked in turn until one has the block."""

from collections.abc import Sequence
from typing import final

from ipvm.errors import Unavailable
from ipvm.exchange.source import Source
from ipvm.ipld import BlockNotFound, Cid

__all__ = ["FirstOf"]


@final
class FirstOf:
    """Asks its sources in order. A source that fails does not keep the next from being asked."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)

    async def fetch(self, cid: Cid) -> bytes:
        """Return what the first source that has it says.

        Raises:
            Unavailable: None had it, and at least one did not answer, so it may be there.
            BlockNotFound: All of them said that they have it not.
        """
        silent: Unavailable | None = None
        for source in self._sources:
            try:
                return await source.fetch(cid)
            except BlockNotFound:
                continue
            except Unavailable as error:
                silent = error
        if silent is not None:
            raise silent
        raise BlockNotFound(cid)
