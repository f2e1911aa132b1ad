"""What the runtime does for guests, as the host calls need it."""

from dataclasses import dataclass
from typing import Final, Protocol

from ipvm.host.kernel import OpenBlock
from ipvm.ipld import Block, Cid

__all__ = ["EXIT_NUMBERS", "Attendant", "CallOutcome", "Services"]

EXIT_NUMBERS: Final = {"ok": 0, "abort": 1, "trap": 2, "out-of-fuel": 3, "invalid-result": 4}
"""How a call ended, as `ipvm.call` tells its caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutcome:
    """What a call by CID came to."""

    exit: int
    code: int = 0
    result: OpenBlock | None = None
    fuel_used: int = 0


class Attendant(Protocol):
    """What the runtime does for guests that cannot wait. It answers at once, on their thread."""

    def log(self, guest: int, message: str) -> None:
        """Pass on what a guest said."""
        ...

    def cid_of(self, guest: int) -> Cid:
        """Give the CID by which a guest was linked."""
        ...


class Services(Attendant, Protocol):
    """What the runtime does for the guests of one invocation.

    Each of them may raise any `IpvmError`. The guest gets the number that stands for it, if that is
    one that the host call is documented to return; else the invocation ends with it. The coroutines
    run on the trio thread.
    """

    async def open(self, cid: Cid) -> Block:
        """Give a block, from wherever it is, and note that it was read."""
        ...

    async def keep(self, block: Block) -> None:
        """Take a block that the guest made; it is stored when the invocation succeeds."""
        ...

    async def call(
        self, cid: Cid, function: str, arguments: list[OpenBlock | None], fuel: int | None
    ) -> CallOutcome:
        """Run another function in a store of its own."""
        ...
