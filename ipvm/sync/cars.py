"""CAR files, read and written by methods that wait."""

from pathlib import Path
from typing import final

from ipvm.ipld import Cid
from ipvm.node import Node
from ipvm.runtime.packing import Packing
from ipvm.store.car import Exported, Taken
from ipvm.sync.loop import Loop

__all__ = ["SyncCars"]


@final
class SyncCars:
    """CAR files; see `ipvm.runtime.Cars` for what each method does and raises."""

    def __init__(self, loop: Loop, node: Node) -> None:
        self._loop = loop
        self._cars = node.cars

    def import_file(self, path: str | Path, *, pin: bool = True) -> Taken:
        """Store the blocks of a CAR, each of them verified, and pin its roots."""
        return self._loop.wait(lambda: self._cars.import_file(path, pin=pin))

    def export(self, root: Cid, path: str | Path) -> Exported:
        """Write all that a root reaches into a file."""
        return self._loop.wait(lambda: self._cars.export(root, path))

    def pack(self, target: Cid, path: str | Path, *, receipt: Cid | None = None) -> Packing:
        """Write what a function needs to run elsewhere, and what one run read, into a file."""
        return self._loop.wait(lambda: self._cars.pack(target, path, receipt=receipt))
