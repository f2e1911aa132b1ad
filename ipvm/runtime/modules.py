"""Modules that are at hand: those that a program has, and those that were used last.

A module is loaded once for all programs that contain it. What no program has any more is kept for
the next one, up to a number of bytes.
"""

from collections import OrderedDict
from typing import TypeAlias, final
from weakref import WeakValueDictionary

from ipvm.engine import CompiledModule
from ipvm.ipld import Cid
from ipvm.model import Profile

__all__ = ["Modules"]

_Key: TypeAlias = tuple[Cid, Profile]


@final
class Modules:
    """The modules of one runtime, least recently used first to go."""

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._alive: WeakValueDictionary[_Key, CompiledModule] = WeakValueDictionary()
        self._kept: OrderedDict[_Key, CompiledModule] = OrderedDict()
        self.kept_bytes = 0
        """Bytes of the machine code that stays when no program has it."""

    def get(self, code: Cid, profile: Profile) -> CompiledModule | None:
        """Give a module if it is at hand."""
        return self._alive.get((code, profile))

    def use(self, code: Cid, profile: Profile, module: CompiledModule) -> None:
        """Note that a program has been made with a module, which may be new."""
        key = (code, profile)
        self._alive[key] = module
        before = self._kept.pop(key, None)
        self.kept_bytes += module.size - (before.size if before is not None else 0)
        self._kept[key] = module
        while self.kept_bytes > self._bytes_max:
            self.kept_bytes -= self._kept.popitem(last=False)[1].size
