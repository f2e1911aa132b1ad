"""Pins whose methods wait."""

from typing import final

from ipvm.exchange import Pinned
from ipvm.ipld import Cid
from ipvm.node import Node
from ipvm.store import Pin, Reach
from ipvm.sync.loop import Loop

__all__ = ["SyncPins"]


@final
class SyncPins:
    """What is to stay; see `ipvm.exchange.Pins` for what each method does and raises."""

    def __init__(self, loop: Loop, node: Node) -> None:
        self._loop = loop
        self._pins = node.pins

    def add(self, cid: Cid, *, reach: Reach = "recursive", name: str = "") -> Pinned:
        """Pin a block; what is not here is fetched."""
        return self._loop.wait(lambda: self._pins.add(cid, reach=reach, name=name))

    def remove(self, *cids: Cid) -> list[Pin]:
        """Take away all pins of these CIDs, and give them."""
        return self._loop.wait(lambda: self._pins.remove(*cids))

    def list(self) -> list[Pin]:
        """Give all pins."""
        return self._loop.wait(self._pins.list)
