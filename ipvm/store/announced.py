"""Say what others may be told of: announcements, which are pins whose names say so.

Whoever serves a store in a network tells others that it has what is announced, and nothing else. An
announcement keeps what it names, as any pin does, and ends as one: what is not here must not be told
of. `ipvm pin ls` shows it, and `ipvm pin rm` takes it away.
"""

from collections.abc import Sequence
from typing import Final

from ipvm.ipld import Cid
from ipvm.limits import PIN_NAME_BYTES_MAX
from ipvm.store.pins import Pin, Pinning

__all__ = ["announced", "announcement"]

_PREFIX: Final = "announced "
_PAGE: Final = 1000


def announcement(cid: Cid, name: str) -> Pin:
    """Give the pin that announces something.

    Args:
        cid: What.
        name: What it is called; another announcement of that name ends.
    """
    full = f"{_PREFIX}{name}"
    if len(full.encode()) > PIN_NAME_BYTES_MAX:
        full = f"{_PREFIX}{Cid.of(name.encode())}"
    return Pin(cid=cid, reach="partial", name=full)


async def announced(store: Pinning) -> Sequence[Cid]:
    """List what is announced, each once.

    Raises:
        IpvmError: The store cannot be read.
    """
    found: dict[Cid, None] = {}
    after: Pin | None = None
    while page := await store.pins(after, _PAGE):
        after = page[-1]
        found.update({pin.cid: None for pin in page if pin.name.startswith(_PREFIX)})
    return list(found)
