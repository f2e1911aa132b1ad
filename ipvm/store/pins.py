"""Say what is to stay: pins, which last, and leases, which last as long as the work that holds them.

A pin names a block and how far it reaches. What no pin reaches is garbage, and stays until somebody
collects it (`ipvm.store.collect`). A pin with a name is the only one of that name: pinning something
else under it moves the pin. Pins without a name are told apart by their CIDs.

A lease is for work that makes blocks now and pins them later. While it is held, everything that
anybody puts stays, with all that it links to and is here. It counts for the process that holds it,
and ends with it, however it ends.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from ipvm.errors import InvalidData, NotFound
from ipvm.ipld import Block, Cid
from ipvm.limits import PIN_NAME_BYTES_MAX

Reach: TypeAlias = Literal["direct", "recursive", "partial"]
"""How far a pin reaches.

`direct` is the block alone. `recursive` is all that can be reached from it, and all of it is here.
`partial` is as much of that as is here: a receipt may name data of which only a part was read.
"""


class InvalidPin(InvalidData):
    """A pin cannot have that name."""


class NotPinned(NotFound):
    """Nothing pins the CID.

    Attributes:
        cid: What was to be unpinned.
    """

    def __init__(self, cid: Cid) -> None:
        self.cid = cid
        super().__init__(f"{cid} is not pinned; `ipvm pin ls` shows what is")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A wish that something stays.

    Attributes:
        cid: What.
        reach: How much of what it links to.
        name: What a person calls it; empty if it has no name.

    Raises:
        InvalidPin: The name is too long, or has no encoding.
    """

    cid: Cid
    reach: Reach = "recursive"
    name: str = ""

    def __post_init__(self) -> None:
        try:
            size = len(self.name.encode())
        except UnicodeEncodeError as error:
            raise InvalidPin("the name of a pin is text, and this has no encoding") from error
        if size > PIN_NAME_BYTES_MAX:
            raise InvalidPin(
                f"the name of a pin has at most {PIN_NAME_BYTES_MAX} bytes, not {size}"
            )


class Pinning(Protocol):
    """A store that can be told what is to stay.

    Every method is a checkpoint. Durability and cancellation are those of `Blockstore`.
    """

    async def pin(self, pin: Pin | Sequence[Pin], blocks: Sequence[Block] = ()) -> None:
        """Keep blocks, and then a pin, or several: all of them or none.

        Whoever sees a pin sees the blocks, too. Whether what it reaches is here is not looked at.
        """
        ...

    async def unpin(self, cid: Cid) -> Sequence[Pin]:
        """Take away all pins of a CID, and return them; none are no error."""
        ...

    async def pins(self, after: Pin | None = None, count: int = 1000) -> Sequence[Pin]:
        """Return the next pins: those without a name by their CIDs, then the others by name."""
        ...

    async def need(self, cids: Sequence[Cid]) -> None:
        """Say that blocks are needed: while there is a lease, it is as if they were put again."""
        ...

    def lease(self) -> AbstractAsyncContextManager[None]:
        """Keep what is put from now on, by anybody, as long as the context lasts."""
        ...
