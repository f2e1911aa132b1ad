"""Let a guest wait for something without being there.

A guest that is suspended holds memory, a stack, and address space. One that has only begun is cheaper
to forget: it is ended where it would wait, what it asked for is fetched meanwhile, and then it is run
again from the start, with the answers that are known by then. It makes the same way to the same place,
because a guest is a function of its arguments and of these answers.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias, TypeVar, final

from ipvm.engine import Postponed
from ipvm.errors import IpvmError, Refused
from ipvm.host import CallOutcome, OpenBlock, Services
from ipvm.ipld import Block, Cid
from ipvm.runtime.run import Run

__all__ = ["Replay", "Unanswered"]

MADE_BYTES_MAX: Final = 1024 * 1024
"""Bytes that a guest may make in one go; each time it is run again, it makes them again."""

_T = TypeVar("_T", Block, CallOutcome)

_Asked: TypeAlias = Cid | tuple[Cid, str, int | None]
"""What a guest asked for: a block, or a call of a function with so much fuel."""


@final
class Unanswered(Postponed):
    """A guest asked for what is not known yet."""


@final
class Replay:
    """Services that answer what they know, in the order in which it was asked for.

    Attributes:
        is_live: Whether what is not known is waited for, because the guest runs on a fiber.
    """

    __slots__ = (
        "_answers",
        "_ask",
        "_asked",
        "_given",
        "_made",
        "_made_bytes",
        "_run",
        "_said",
        "_saying",
        "_services",
        "is_live",
    )

    def __init__(self, services: Services, run: Run) -> None:
        self.is_live = False
        self._services = services
        self._run = run
        self._answers: list[tuple[_Asked, Block | CallOutcome | IpvmError]] = []
        self._asked: _Asked | None = None
        self._given = 0
        self._ask: Callable[[], Awaitable[Block | CallOutcome]] | None = None
        self._made: dict[bytes, Block] = {}
        self._made_bytes = 0
        self._said = 0
        self._saying = 0

    def begin(self, *, is_live: bool = False) -> None:
        """Get ready for the guest to begin anew."""
        self.is_live = is_live
        self._given = self._saying = self._made_bytes = 0
        self._made.clear()

    async def get_answer(self) -> None:
        """Wait for what was asked for last."""
        assert self._ask is not None
        assert self._asked is not None
        self._made.clear()  # it will be made again
        try:
            self._answers.append((self._asked, await self._ask()))
        except IpvmError as error:
            # What its frames hold would stay for as long as the guest waits.
            self._answers.append((self._asked, error.with_traceback(None)))

    async def keep_made(self) -> None:
        """Keep what the guest made, now that it has come to its end."""
        for block in self._made.values():
            await self._run.keep(block)

    async def open(self, cid: Cid) -> Block:
        """See `Services.open`."""
        made = self._made.get(cid.multihash)
        if made is not None and self._given == len(self._answers):
            # It is an answer as well: where the guest runs on a fiber, it asks for this one, too.
            self._answers.append((cid, Block(cid, made.data)))
        return await self._answer(cid, partial(self._services.open, cid))

    async def call(
        self, cid: Cid, function: str, arguments: list[OpenBlock | None], fuel: int | None
    ) -> CallOutcome:
        """See `Services.call`."""
        if self._made:  # which the function that is called may open
            raise Postponed
        ask = partial(self._services.call, cid, function, arguments, fuel)
        return await self._answer((cid, function, fuel), ask)

    async def keep(self, block: Block) -> None:
        """See `Services.keep`."""
        if self.is_live:
            await self._services.keep(block)
            return
        self._made_bytes += len(block.data)
        if self._made_bytes > min(MADE_BYTES_MAX, self._run.made_bytes_left):
            raise Postponed
        self._made[block.cid.multihash] = block

    def log(self, guest: int, message: str) -> None:
        """Pass on what a guest says, unless it has said it before."""
        self._saying += 1
        if self._saying > self._said:
            self._said = self._saying
            self._services.log(guest, message)

    def cid_of(self, guest: int) -> Cid:
        """See `Services.cid_of`."""
        return self._services.cid_of(guest)

    async def _answer(self, asked: _Asked, ask: Callable[[], Awaitable[_T]]) -> _T:
        if self._given == len(self._answers):
            if self.is_live:
                return await ask()
            self._asked, self._ask = asked, ask
            raise Unanswered
        before, answer = self._answers[self._given]
        if before != asked:  # where memory could not grow for want of that of the machine
            raise Refused(f"the function asked for {asked} where it had asked for {before}")
        self._given += 1
        if isinstance(answer, IpvmError):
            raise answer.with_traceback(None)
        return answer  # type: ignore[return-value] # it is asked for in the same way
