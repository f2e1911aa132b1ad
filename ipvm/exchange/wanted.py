"""Accept, of blocks that a stranger sends in a row, those that belong to one DAG.

Only a block that was linked from an accepted one is accepted, and each once. So what nobody asked for
is not kept, however right its hash, and nothing is remembered but names.
"""

from collections.abc import Iterable
from typing import Final, final

from ipvm.errors import InvalidData
from ipvm.exchange.sources import verified
from ipvm.ipld import CODECS, Block, Cid
from ipvm.limits import Limits
from ipvm.store.car import Section

__all__ = ["Wanted"]

_CIDS_MAX: Final = 262_144
"""Names that are remembered, so that a DAG of any size takes some tens of megabytes."""
_UNASKED_BYTES_MAX: Final = 8 * 1024 * 1024
_SECTION_BYTES: Final = 100
"""What a section counts at least, so that many small ones come to an end, too."""
_KNOWN: Final = frozenset(CODECS.values())


@final
class Wanted:
    """What is still wanted of one DAG.

    Args:
        root: The block where it begins, which is here.
        limits: Bounds of what is taken from others.
        cids_max: Names that are remembered.
        unasked_bytes_max: Bytes that may be sent without having been asked for.

    Attributes:
        cids: What may come next. Nothing, when all has come, or when there is too much of it.
    """

    def __init__(
        self,
        root: Block,
        *,
        limits: Limits,
        cids_max: int = _CIDS_MAX,
        unasked_bytes_max: int = _UNASKED_BYTES_MAX,
    ) -> None:
        self.cids: set[Cid] = set()
        self._limits = limits
        self._names_left = cids_max
        self._unasked_bytes_left = unasked_bytes_max
        self._named = {root.cid}
        self._want(_links(root))
        self._unasked_bytes_left += len(root.data)  # it comes once more, at the head of the answer

    def take(self, section: Section) -> Block | None:
        """Verify a block if it is wanted, and want what it links to; else give None.

        Raises:
            BlockMismatch, InvalidData, LimitExceeded: It is not what it claims to be.
            InvalidData: Too much was sent that nobody asked for.
        """
        if section.cid not in self.cids:
            self._unasked_bytes_left -= max(len(section.unverified_data), _SECTION_BYTES)
            if self._unasked_bytes_left < 0:
                raise InvalidData("it sends too many blocks that nobody asked for")
            return None
        block = verified(section.cid, section.unverified_data, limits=self._limits)
        self.cids.remove(block.cid)
        self._want(_links(block))
        return block

    def _want(self, links: Iterable[Cid]) -> None:
        for cid in links:
            if cid in self._named or cid.is_identity:
                continue
            if not self._names_left:
                self.cids.clear()
                return
            self._names_left -= 1
            self._named.add(cid)
            self.cids.add(cid)


def _links(block: Block) -> tuple[Cid, ...]:
    """Give the links of a block; none if it cannot be read, which is for its reader to say."""
    try:
        return block.links() if block.cid.codec in _KNOWN else ()
    except InvalidData:
        return ()
