"""Import a CAR, look whether all that its roots reach is here, and pin them.

A lease is held from before the first block is stored until the last root is pinned, so a collection
that runs beside this takes nothing of it. A root below which nothing is missing gets a recursive pin,
which promises that; any other gets a partial one, which keeps what is here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, final

from ipvm.ipld import Cid
from ipvm.store.blockstore import Blockstore
from ipvm.store.car.files import Read
from ipvm.store.car.importing import Imported, import_car
from ipvm.store.collect import Collectable, Ground
from ipvm.store.pins import Pin
from ipvm.store.tracing import Tracer

__all__ = ["Look", "Taken", "take_car"]

_STEPS: Final = 500
"""Blocks that are read before others get their turn."""

_INCOMPLETE_MAX: Final = 100
"""Roots that are not complete after which no more are looked through: each is a trace of its own."""

Look: TypeAlias = Callable[[Cid, int], None]
"""Is told which root is looked through, and how many blocks were found below it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What an import came to, with what was found out about its roots.

    Attributes:
        imported: What was in the CAR.
        pins: The pins that were made, one for each root.
        missing: For each root that was looked through, a block that is missing or damaged below it,
            the first that was come upon; None if all of it is here.
    """

    imported: Imported
    pins: tuple[Pin, ...]
    missing: Mapping[Cid, Cid | None]


async def take_car(
    read: Read,
    store: Blockstore,
    *,
    pin: bool = True,
    check: bool = True,
    progress: Callable[[int, int], None] = lambda *_: None,
    looking: Look = lambda *_: None,
) -> Taken:
    """Import a CAR and pin its roots. In a store that keeps no pins, it is imported only.

    Args:
        read: Gives up to so many bytes; none at the end.
        store: Takes the blocks.
        pin: Pin the roots; they are looked through for that.
        check: Look them through though they are not pinned.
        progress: Called with the blocks and bytes that are stored.
        looking: Called while a root is looked through.

    Raises:
        InvalidCar: It is broken. What came before is stored, and nothing is pinned.
        Refused: The store takes no more.
    """
    if not isinstance(store, Collectable) or not (pin or check):
        imported = await import_car(read, store, progress=progress)
        return Taken(imported=imported, pins=(), missing={})
    async with store.lease():
        imported = await import_car(read, store, progress=progress)
        roots = tuple(dict.fromkeys(imported.roots))
        missing = await _missing(roots, store, looking)
        whole = {root for root, absent in missing.items() if absent is None}
        pins = [Pin(cid=root, reach="recursive" if root in whole else "partial") for root in roots]
        if pin:
            await store.pin(pins)
    return Taken(imported=imported, pins=tuple(pins) if pin else (), missing=missing)


async def _missing(
    roots: Sequence[Cid], store: Collectable, looking: Look
) -> dict[Cid, Cid | None]:
    """Give the first block that is missing below each root."""
    missing: dict[Cid, Cid | None] = {}
    for _ in range(_INCOMPLETE_MAX):
        if len(missing) == len(roots):
            break
        # What was reached from a root that is whole is whole; below one that is not, who knows.
        async with store.ground() as ground:
            search = _Search(ground, looking)
            for root in roots[len(missing) :]:
                missing[root] = await search.first_missing(root)
                if missing[root] is not None:
                    break
    return missing


@final
class _Search:
    def __init__(self, ground: Ground, looking: Look) -> None:
        self._ground = ground
        self._looking = looking
        self._tracer = Tracer(ground.marks)

    async def first_missing(self, root: Cid) -> Cid | None:
        """Look through a root, as far as other roots were not looked through."""
        self._looking(root, 0)
        if not await self._ground.run(partial(self._begin, root)):
            return root
        before = self._tracer.blocks
        while await self._ground.run(self._step) and not self._problem:
            self._looking(root, self._tracer.blocks - before)
        return self._problem

    def _begin(self, root: Cid) -> bool:
        self._tracer.reach(root)
        # A trace takes blocks of unknown codecs for leaves, and looks for none of them.
        return root.is_identity or self._ground.has(root.multihash)

    def _step(self) -> bool:
        return self._tracer.step(self._ground, strict=True, steps=_STEPS)

    @property
    def _problem(self) -> Cid | None:
        absent = (each.cid for each in self._tracer.problems if each.kind != "invalid")
        return next(absent, None)
