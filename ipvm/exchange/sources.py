"""Ask several sources for a block as if they were one, and believe none of them.

They are asked in their order. The next one is asked when the one before has failed, has not got it,
or takes longer than it usually does; the first to send the right bytes wins, and the others are
cancelled. Those that failed lately are asked when nobody else has it (see `standing`).

This is the one place where fetched bytes are verified: `get` gives a `Block`, which was hashed, of a
size that is taken from strangers. A source that sends anything else has failed, like one that says so.
An exception that is none of ours is a fault in a source; the others are asked all the same, and it is
raised if none of them has the block.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, final

import trio

from ipvm.errors import IpvmError, LimitExceeded, Unavailable
from ipvm.exchange.answer import Answer, OnAnswer, Outcome, ignore_answer
from ipvm.exchange.conditions import SourceBusy
from ipvm.exchange.source import NamedSource, Source
from ipvm.exchange.standing import Standing
from ipvm.ipld import HASHES, Block, BlockMismatch, BlockNotFound, Cid, UnknownHash
from ipvm.limits import Limits

__all__ = ["Asked", "Fetched", "Sources", "verified"]

_LOG: Final = logging.getLogger(__name__)
_KNOWN_HASHES: Final = frozenset(HASHES.values())
_PROBLEMS_TOLD: Final = 5


@final
class Asked:
    """A source, and what is known of it."""

    __slots__ = ("name", "source", "standing")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name = source.name if isinstance(source, NamedSource) else type(source).__name__
        self.standing = Standing()


class Fetched(NamedTuple):
    """A verified block, and who sent it."""

    block: Block
    by: Asked


@final
class _Inquiry:
    """One block that is asked for, and what has come of it."""

    __slots__ = ("absent", "cid", "failures", "fetched", "news", "scope")

    def __init__(self, cid: Cid) -> None:
        self.cid = cid
        self.fetched: Fetched | None = None
        self.absent: BlockNotFound | None = None
        self.failures: list[tuple[Asked, Exception]] = []
        self.news: trio.Event | None = None
        self.scope: trio.CancelScope | None = None

    def outcome(self) -> Fetched:
        """Give the block, or raise why there is none."""
        if self.fetched is None:
            raise self._reason()
        for asked, failure in self.failures:
            if not isinstance(failure, IpvmError):
                _LOG.error("the source %s has a fault", asked.name, exc_info=failure)
        return self.fetched

    def _reason(self) -> Exception:
        """Prefer a fault, then what may pass, then what will not, and absence if that is all."""
        failures = [failure for _, failure in self.failures]
        faults = [each for each in failures if not isinstance(each, IpvmError)]
        silent = [each for each in failures if isinstance(each, Unavailable)]
        if faults or len(failures) < 2 or not silent:  # noqa: PLR2004 - one speaks for itself
            return [*faults, *silent, *failures, self.absent or BlockNotFound(self.cid)][0]
        told = [f"{asked.name}: {failure}" for asked, failure in self.failures[:_PROBLEMS_TOLD]]
        return Unavailable(f"nobody sent the block {self.cid}:\n" + "\n".join(told))


@final
class Sources:
    """Several sources, in the order in which they are asked.

    Args:
        sources: The sources.
        limits: Bounds of one fetch.
        on_answer: Is told who was asked, and what came of it.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        *,
        limits: Limits,
        on_answer: OnAnswer = ignore_answer,
    ) -> None:
        self._all = tuple(Asked(source) for source in sources)
        self._limits = limits
        self._on_answer = on_answer
        self._turns = trio.Semaphore(limits.fetches_together_max)

    async def get(self, cid: Cid) -> Fetched:
        """Return the block of `cid`, verified, and tell who sent it.

        Raises:
            BlockNotFound: All of them said that they have it not.
            Unavailable: None had it, and at least one did not answer, so it may be there.
            UnknownHash: Nothing can be verified under it, so nobody is asked.
            BlockMismatch: Something else was sent, and nobody has it.
            LimitExceeded: It is larger than is taken from others.
        """
        if cid.hash_code not in _KNOWN_HASHES:
            await trio.lowlevel.checkpoint()
            raise UnknownHash(cid.hash_code)
        inquiry = _Inquiry(cid)
        try:
            self._turns.acquire_nowait()
        except trio.WouldBlock:
            await self._turns.acquire()
        try:
            now = trio.current_time()
            resting = [each for each in self._all if each.standing.rests(now)]
            await self._race([each for each in self._all if each not in resting], inquiry)
            if inquiry.fetched is None:
                await self._race(resting, inquiry)
        finally:
            self._turns.release()
        return inquiry.outcome()

    async def _race(self, several: Sequence[Asked], inquiry: _Inquiry) -> None:
        if len(several) == 1:
            await self._ask(several[0], inquiry)
        elif several:
            async with trio.open_nursery() as nursery:
                inquiry.scope = nursery.cancel_scope
                for asked in several:
                    inquiry.news = news = trio.Event()
                    nursery.start_soon(self._ask, asked, inquiry)
                    with trio.move_on_after(asked.standing.patience_seconds):
                        await news.wait()

    async def _ask(self, asked: Asked, inquiry: _Inquiry) -> None:
        """Ask one source, and note what comes of it."""
        cid, began = inquiry.cid, trio.current_time()
        failure: Exception | None = None
        try:
            with trio.move_on_after(self._limits.fetch_seconds_max) as scope:
                block = verified(cid, await asked.source.fetch(cid), limits=self._limits)
                inquiry.fetched = Fetched(block, asked)
            if scope.cancelled_caught:
                seconds = self._limits.fetch_seconds_max
                failure = Unavailable(f"{asked.name} did not answer within {seconds} s")
        except trio.Cancelled:
            if inquiry.fetched is not None:
                asked.standing.lagged(trio.current_time())
                self._tell(asked, cid, "late", began)
            raise
        except Exception as error:  # noqa: BLE001 - the others are to be asked; see above
            failure = error
        self._note(asked, inquiry, began, failure)
        if inquiry.fetched is None:
            if inquiry.news is not None:
                inquiry.news.set()
        elif inquiry.scope is not None:
            inquiry.scope.cancel()

    def _note(
        self, asked: Asked, inquiry: _Inquiry, began: float, failure: Exception | None
    ) -> None:
        now, cid = trio.current_time(), inquiry.cid
        if failure is None:
            asked.standing.served(now - began)
            assert inquiry.fetched is not None
            size = len(inquiry.fetched.block.data)
            self._tell(asked, cid, "block", began, block_bytes=size)
        elif isinstance(failure, BlockNotFound):
            inquiry.absent = failure if failure.cid == cid else inquiry.absent
            asked.standing.lacked(now - began)
            self._tell(asked, cid, "absent", began)
        else:
            inquiry.failures.append((asked, failure))
            self.blame(asked, cid, failure, began=began)

    def blame(self, asked: Asked, cid: Cid, failure: Exception, *, began: float) -> None:
        """Note that a source failed to send a block, or what belongs to it."""
        now = trio.current_time()
        if isinstance(failure, BlockMismatch):
            asked.standing.lied(now)
        else:
            rest = failure.rest_seconds if isinstance(failure, SourceBusy) else 0.0
            asked.standing.failed(now, rest_seconds=rest)
        self._tell(asked, cid, "failed", began, problem=str(failure))

    def praise(self, asked: Asked, block: Block, *, began: float) -> None:
        """Note that a source sent a block in the course of a longer answer."""
        self._tell(asked, block.cid, "block", began, block_bytes=len(block.data))

    def _tell(
        self,
        asked: Asked,
        cid: Cid,
        outcome: Outcome,
        began: float,
        *,
        block_bytes: int = 0,
        problem: str = "",
    ) -> None:
        if self._on_answer is ignore_answer:
            return
        self._on_answer(
            Answer(
                cid=cid,
                source=asked.name,
                outcome=outcome,
                seconds=trio.current_time() - began,
                block_bytes=block_bytes,
                problem=problem,
            )
        )


def verified(cid: Cid, unverified_data: bytes, *, limits: Limits) -> Block:
    """Make a block of bytes from a stranger.

    Raises:
        BlockMismatch: They are not that block.
        InvalidData: They are too many for any block.
        LimitExceeded: They are more than is taken from others.
    """
    block = Block(cid, unverified_data)
    maximum = limits.fetched_block_bytes_max
    if len(unverified_data) > maximum:
        raise block_too_large(maximum, found=len(unverified_data))
    return block


def block_too_large(maximum: int, *, found: int | None = None) -> LimitExceeded:
    """Say that a block is larger than is taken from others."""
    how = "raise it with --limit fetched_block_bytes_max=VALUE or ipvm.open(limits=...)"
    return LimitExceeded("fetched_block_bytes_max", maximum, found=found, how=how)
