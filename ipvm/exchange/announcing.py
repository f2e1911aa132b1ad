"""Say in the DHT, again and again, that some roots are here.

Who remembers it for others forgets it after two days, so it is said again every 22 hours. New roots are
said as soon as they are seen, one after the other; what nobody took note of is tried again, after
longer and longer pauses.
"""

import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Final, NoReturn, final

import trio

from ipvm.errors import IpvmError
from ipvm.ipld import Cid

__all__ = ["AGAIN_SECONDS", "Announcing"]

AGAIN_SECONDS: Final = 22 * 3600.0
"""Seconds after which a root is announced again."""

_LOG: Final = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 30.0
_RETRY_SECONDS_MAX: Final = 3600.0


@final
class _Root:
    """When a root is to be announced next, and whether it has been."""

    __slots__ = ("announced", "due", "retry")

    def __init__(self, due: float) -> None:
        self.due = due
        self.announced = False
        self.retry = _RETRY_SECONDS


@final
class Announcing:
    """Keeps roots announced while `run` does.

    Args:
        roots: Lists what is to be announced.
        provide: Announces one, and raises Unavailable or Refused if that did not work.
        changes: Gives another value when the roots may be others; they are listed only then. It is
            called every second, and must be cheap.
        again_seconds: After how long each is announced again.

    Attributes:
        problem: What went wrong last, if nothing has worked since.
    """

    def __init__(
        self,
        roots: Callable[[], Awaitable[Sequence[Cid]]],
        provide: Callable[[Cid], Awaitable[int]],
        *,
        changes: Callable[[], Hashable],
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        self._list = roots
        self._provide = provide
        self._changes = changes
        self._again_seconds = again_seconds
        self._roots: dict[Cid, _Root] = {}
        self.problem: str | None = None

    @property
    def announced(self) -> int:
        """How many roots others have been told of."""
        return sum(root.announced for root in self._roots.values())

    @property
    def waiting(self) -> int:
        """How many roots nobody knows of yet."""
        return len(self._roots) - self.announced

    async def run(self) -> NoReturn:
        """Announce what there is, and go on until it is cancelled."""
        seen: Hashable = _UNSEEN
        while True:
            if (now := self._changes()) != seen:
                seen = now
                await self._look()
            await self._announce_one()
            if self._next(trio.current_time()) is None:
                await trio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        """See which roots there are now."""
        try:
            listed = await self._list()
        except IpvmError as problem:
            self._fail(f"the roots to announce cannot be listed: {problem}")
            return
        now = trio.current_time()
        self._roots = {cid: self._roots.get(cid) or _Root(now) for cid in listed}

    async def _announce_one(self) -> None:
        cid = self._next(trio.current_time())
        if cid is None:
            return
        root = self._roots[cid]
        try:
            noted = await self._provide(cid)
        except IpvmError as problem:
            root.due = trio.current_time() + root.retry
            root.retry = min(2 * root.retry, _RETRY_SECONDS_MAX)
            self._fail(f"{cid} could not be announced: {problem}")
            return
        root.announced, root.retry = True, _RETRY_SECONDS
        root.due = trio.current_time() + self._again_seconds
        self.problem = None
        _LOG.info("%s is announced; %d peers have taken note", cid, noted)

    def _next(self, now: float) -> Cid | None:
        """Choose what to announce: what is due, the longest due first."""
        cid = min(self._roots, key=lambda each: self._roots[each].due, default=None)
        return cid if cid is not None and self._roots[cid].due <= now else None

    def _fail(self, problem: str) -> None:
        if problem != self.problem:
            _LOG.warning("%s", problem)
        self.problem = problem


_UNSEEN: Final = object()
