"""What is remembered of a block that is wanted, and of the peers that blocks came from before."""

from collections.abc import Callable
from typing import Final, final

from ipvm.ipld import Cid

__all__ = ["Ask", "Session", "Wanted"]

_TRUST_GAINED: Final = 0.25
_TRUST_NEEDED: Final = 0.5


@final
class Session:
    """Who had what was wanted before: blocks that belong together are often found together."""

    __slots__ = ("_trust",)

    def __init__(self) -> None:
        self._trust: dict[str, float] = {}

    def praise(self, peer: str) -> None:
        """Note that a block came from a peer."""
        self._trust[peer] = min(self._trust.get(peer, 0.0) + _TRUST_GAINED, 1.0)

    def doubt(self, peer: str) -> None:
        """Note that a peer had not what it was asked for, or did not say."""
        self._trust[peer] = self._trust.get(peer, 0.0) / 2

    def forget(self, peer: str) -> None:
        """Note that a peer has gone."""
        self._trust.pop(peer, None)

    def trusts(self, peer: str) -> bool:
        """Whether a peer is likely to have the next block, too."""
        return self._trust.get(peer, 0.0) >= _TRUST_NEEDED


@final
class Ask:
    """That one peer is asked about one block.

    Attributes:
        block: It is asked for the block, and not only whether it has it.
        at: When it was asked last.
        delivered: How many blocks it had sent until then.
        tries: How often that had been before.
        hedged: Another was asked, too, because this one is slow.
    """

    __slots__ = ("at", "block", "delivered", "hedged", "peer", "tries", "wanted")

    def __init__(self, peer: str, wanted: "Wanted", *, block: bool) -> None:
        self.peer = peer
        self.wanted = wanted
        self.block = block
        self.at = 0.0
        self.delivered = 0
        self.tries = 0
        self.hedged = False


@final
class Wanted:
    """One block that is wanted, and what came of it.

    Attributes:
        cid: The bytes of its CID, as it is asked for.
        multihash: What it is known by when it comes.
        asks: Who is asked, and has not answered.
        has: Who says that it has it.
        lacks: Who says that it has it not.
        silent: Who did not answer.
        is_uncertain: Somebody did not answer, or went away, who may have it.
        data: The block, once it is there.
        ended: Nobody is asked any more.
        on_end: Is called when it ends.
    """

    __slots__ = (
        "asks",
        "cid",
        "data",
        "ended",
        "has",
        "is_uncertain",
        "lacks",
        "multihash",
        "on_end",
        "session",
        "silent",
    )

    def __init__(self, cid: Cid, session: Session) -> None:
        self.cid = bytes(cid)
        self.multihash = cid.multihash
        self.session = session
        self.asks: dict[str, Ask] = {}
        self.has: set[str] = set()
        self.lacks: set[str] = set()
        self.silent: set[str] = set()
        self.is_uncertain = False
        self.data: bytes | None = None
        self.ended = False
        self.on_end: Callable[[], object] = _nothing

    @property
    def is_asked_for(self) -> bool:
        """Whether somebody is asked for the block."""
        return any(ask.block for ask in self.asks.values())

    @property
    def is_nowhere(self) -> bool:
        """Whether all who could be asked said that they have it not."""
        return self.data is None and bool(self.lacks) and not self.is_uncertain

    def is_out(self, peer: str) -> bool:
        """Whether a peer need not be asked."""
        return peer in self.lacks or peer in self.silent


def _nothing() -> None:
    pass
