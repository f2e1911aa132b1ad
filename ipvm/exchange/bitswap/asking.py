"""Decide whom to ask for which block, without asking.

One peer at a time is asked for a block; the others are asked whether they have it, unless the first has
kept its word lately. Who says that it has it not is out at once, and when all are, the block is known
to be nowhere. Who says nothing is asked once more after a while, with another beside it, and then
counts as silent: the block may be there, and nobody can tell.

Nothing here waits, and time is an argument. What is to be said to a peer gathers until it is taken;
`on_news` tells that there is something.
"""

from collections.abc import Callable
from typing import Final, final

from ipvm.exchange.bitswap.message import Want
from ipvm.exchange.bitswap.wanted import Ask, Session, Wanted
from ipvm.ipld import Cid
from ipvm.limits import BITSWAP_WANTS_ASKED_MAX

__all__ = ["HEDGE_SECONDS", "STALL_SECONDS", "Asking"]

STALL_SECONDS: Final = 5.0
"""Seconds without an answer after which a peer is asked once more, and then counts as silent. Some
ignore what is asked again earlier."""

HEDGE_SECONDS: Final = 1.0
"""Seconds without a block after which another peer is asked, too."""

_TRIES_MAX: Final = 2
_ENDED_KEPT: Final = 4096


@final
class _Peer:
    """What one peer has been asked, and what is to be said to it."""

    __slots__ = ("answers", "delivered", "delivered_at", "heard_at", "news", "open", "queue")

    def __init__(self, now: float) -> None:
        self.open: dict[bytes, Ask] = {}  # by when they were asked, the longest ago first
        self.queue: dict[bytes, Ask] = {}  # for when there is room among the open ones
        self.news: dict[bytes, Want] = {}
        self.answers = True
        self.delivered = 0
        self.delivered_at = self.heard_at = now


@final
class Asking:
    """What is wanted, and who is asked for it.

    Args:
        on_news: Is called with a peer that something is to be said to.
    """

    def __init__(self, on_news: Callable[[str], None]) -> None:
        self._on_news = on_news
        self._wanted: dict[bytes, Wanted] = {}
        self._by_hash: dict[bytes, Wanted] = {}
        self._peers: dict[str, _Peer] = {}
        self._ended: dict[bytes, None] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether anything is wanted."""
        return bool(self._wanted)

    @property
    def peers(self) -> tuple[str, ...]:
        """Who can be asked."""
        return tuple(self._peers)

    def begin(self, cid: Cid, session: Session, now: float) -> Wanted:
        """Want a block; it must not be wanted already, by any of its CIDs. It may end at once."""
        wanted = Wanted(cid, session)
        self._wanted[wanted.cid] = self._by_hash[wanted.multihash] = wanted
        self._pursue(wanted, now)
        return wanted

    def abandon(self, wanted: Wanted, now: float) -> None:
        """Want a block no more, unless it has ended."""
        if not wanted.ended:
            self._end(wanted, now)

    def connect(self, peer: str, now: float) -> None:
        """Ask a peer, too, from now on."""
        if peer in self._peers:
            return
        self._peers[peer] = _Peer(now)
        for wanted in [*self._wanted.values()]:
            if wanted.is_asked_for:
                self._ask(peer, wanted, now, block=False)
            else:
                self._pursue(wanted, now)

    def disconnect(self, peer: str, now: float) -> None:
        """Ask a peer no more. What it was asked for, another is."""
        gone = self._peers.pop(peer, None)
        if gone is None:
            return
        for ask in [*gone.open.values(), *gone.queue.values()]:
            del ask.wanted.asks[peer]
            ask.wanted.is_uncertain = True
        for wanted in [*self._wanted.values()]:
            wanted.has.discard(peer)
            wanted.session.forget(peer)
            self._pursue(wanted, now)

    def speaks_plainly(self, peer: str, now: float) -> None:
        """Note that a peer says nothing but blocks, as in 1.1.0: it is not asked what it has."""
        state = self._peers.get(peer)
        if state is None or not state.answers:
            return
        state.answers = False
        for ask in [*state.open.values(), *state.queue.values()]:
            if not ask.block:
                self._release(ask, now)
                state.news.pop(ask.wanted.cid, None)
                self._pursue(ask.wanted, now)

    def take(self, peer: str) -> list[Want]:
        """Give what is to be said to a peer, and forget it."""
        state = self._peers.get(peer)
        if state is None or not state.news:
            return []
        news, state.news = [*state.news.values()], {}
        return news

    def heard(self, peer: str, now: float) -> None:
        """Note that a part of a message came, so the peer is busy with something."""
        if state := self._peers.get(peer):
            state.heard_at = now

    def receive(self, peer: str, multihash: bytes, data: bytes, now: float) -> bool:
        """Take a block, and tell whether there was a reason to send it."""
        if (wanted := self._by_hash.get(multihash)) is None:
            return multihash in self._ended
        if state := self._peers.get(peer):
            state.delivered += 1
            state.delivered_at = state.heard_at = now
        wanted.session.praise(peer)
        if ask := wanted.asks.get(peer):
            self._release(ask, now)
        wanted.data = data
        self._end(wanted, now)
        return True

    def has(self, peer: str, cid: bytes, now: float) -> None:
        """Note that a peer says that it has a block."""
        wanted = self._wanted.get(cid)
        if wanted is None or peer not in wanted.asks:
            return
        wanted.has.add(peer)
        if not wanted.asks[peer].block:
            self._release(wanted.asks[peer], now)
            self._pursue(wanted, now)

    def lacks(self, peer: str, cid: bytes, now: float) -> None:
        """Note that a peer says that it has a block not."""
        wanted = self._wanted.get(cid)
        if wanted is None or peer not in wanted.asks:
            return
        if wanted.asks[peer].block:
            wanted.session.doubt(peer)
        self._release(wanted.asks[peer], now)
        wanted.has.discard(peer)
        wanted.lacks.add(peer)
        self._pursue(wanted, now)

    def lied(self, peer: str, now: float) -> None:
        """Note that a peer sent what nobody wanted: perhaps instead of what it was asked for first."""
        state = self._peers.get(peer)
        for ask in state.open.values() if state else ():
            if ask.block:
                self._hedge(ask, now)
                return

    def check(self, now: float) -> None:
        """Look for answers that are due. To be called every now and then while anything is wanted."""
        for peer in self._peers.values():
            for ask in [*peer.open.values()]:
                waited = now - ask.at
                if ask.wanted.ended:
                    continue
                if waited < HEDGE_SECONDS:
                    break  # and so have those that were asked later
                overtaken = peer.delivered - ask.delivered >= BITSWAP_WANTS_ASKED_MAX
                if now - max(ask.at, peer.heard_at) >= STALL_SECONDS or (
                    overtaken and waited >= STALL_SECONDS
                ):
                    self._repeat(ask, now)
                elif now - max(ask.at, peer.delivered_at) >= HEDGE_SECONDS:
                    self._hedge(ask, now)

    def _pursue(self, wanted: Wanted, now: float) -> None:
        """See to it that somebody is asked for the block, or end it."""
        if wanted.ended or wanted.is_asked_for:
            return
        best = self._best(wanted)
        if best is None:
            self._end(wanted, now)
            return
        self._ask(best, wanted, now, block=True)
        if not wanted.session.trusts(best):
            for peer in self._peers:
                self._ask(peer, wanted, now, block=False)

    def _best(self, wanted: Wanted) -> str | None:
        """Choose whom to ask next for the block."""
        best, best_rank = None, (True, True, 0)
        for peer, state in self._peers.items():
            ask = wanted.asks.get(peer)
            if wanted.is_out(peer) or (ask and ask.block):
                continue
            load = len(state.open) + len(state.queue)
            rank = (peer not in wanted.has, not wanted.session.trusts(peer), load)
            if best is None or rank < best_rank:
                best, best_rank = peer, rank
        return best

    def _ask(self, peer: str, wanted: Wanted, now: float, *, block: bool) -> None:
        """Ask a peer for a block, or whether it has it, unless that is known or has been asked."""
        state = self._peers[peer]
        if not block and (
            not state.answers or wanted.is_out(peer) or peer in wanted.asks or peer in wanted.has
        ):
            return
        before = wanted.asks.get(peer)
        if before is not None:
            before.block = True
            if wanted.cid in state.open:
                self._say(peer, Want(wanted.cid))
            return
        ask = wanted.asks[peer] = Ask(peer, wanted, block=block)
        state.queue[wanted.cid] = ask
        self._fill(state, now)

    def _fill(self, state: _Peer, now: float) -> None:
        """Ask what waits in the queue of a peer, as far as there is room."""
        while state.queue and len(state.open) < BITSWAP_WANTS_ASKED_MAX:
            cid = next(iter(state.queue))
            ask = state.open[cid] = state.queue.pop(cid)
            ask.at, ask.delivered = now, state.delivered
            self._say(ask.peer, Want(cid, have=not ask.block))

    def _say(self, peer: str, want: Want) -> None:
        self._peers[peer].news[want.cid] = want
        self._on_news(peer)

    def _release(self, ask: Ask, now: float) -> None:
        """Forget that a peer was asked, as it has answered."""
        cid, state = ask.wanted.cid, self._peers[ask.peer]
        del ask.wanted.asks[ask.peer]
        state.queue.pop(cid, None)
        if state.open.pop(cid, None):
            self._fill(state, now)

    def _take_back(self, ask: Ask) -> None:
        """Tell a peer that it need not answer."""
        cid, state = ask.wanted.cid, self._peers[ask.peer]
        if cid in state.news and ask.tries == 0 and not state.news[cid].cancel:
            del state.news[cid]  # it was never asked
        elif cid in state.open:
            self._say(ask.peer, Want(cid, cancel=True))

    def _hedge(self, ask: Ask, now: float) -> None:
        """Ask another peer, too, once."""
        if ask.block and not ask.hedged:
            ask.hedged = True
            if other := self._best(ask.wanted):
                self._ask(other, ask.wanted, now, block=True)

    def _repeat(self, ask: Ask, now: float) -> None:
        """Ask a peer again that did not answer, or give it up."""
        wanted, state = ask.wanted, self._peers[ask.peer]
        wanted.session.doubt(ask.peer)
        self._hedge(ask, now)
        ask.tries += 1
        if ask.tries < _TRIES_MAX and ask.block:
            state.open[wanted.cid] = state.open.pop(wanted.cid)
            ask.at, ask.delivered = now, state.delivered
            self._say(ask.peer, Want(wanted.cid))
            return
        self._take_back(ask)
        self._release(ask, now)
        wanted.silent.add(ask.peer)
        wanted.is_uncertain = True
        self._pursue(wanted, now)

    def _end(self, wanted: Wanted, now: float) -> None:
        wanted.ended = True
        del self._wanted[wanted.cid], self._by_hash[wanted.multihash]
        self._ended[wanted.multihash] = None
        if len(self._ended) > _ENDED_KEPT:
            del self._ended[next(iter(self._ended))]
        for ask in [*wanted.asks.values()]:
            self._take_back(ask)
            self._release(ask, now)
        wanted.on_end()
