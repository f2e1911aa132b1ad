"""Load large programs of small modules at once: the plan and the machine code, from one bundle.

Fetching, reading and planning a thousand modules, and loading the machine code of each for itself,
takes ten times as long as loading all of it together. A program follows from its CID, the profile,
and how this package links; whether it is refused, from the limits besides. So all of these are in the
name of its bundle, and who raises or lowers a limit does not find what others left.
"""

import hashlib
from typing import Final, final

import trio

from ipvm import __version__
from ipvm.engine import Bundles
from ipvm.ipld import Cid
from ipvm.limits import Limits
from ipvm.linker import CompiledProgram, UnreadablePlan, plan_form, read_plan, write_plan
from ipvm.model import Profile

__all__ = ["MODULES_MIN", "BundledPrograms"]

MODULES_MIN: Final = 16
"""Programs of fewer modules are loaded piece by piece, which takes them a millisecond or two."""


@final
class BundledPrograms:
    """The programs that are kept as bundles."""

    def __init__(self, bundles: Bundles, *, limits: Limits) -> None:
        self._bundles = bundles
        self._form = repr((__version__, plan_form(), limits)).encode()

    async def load(self, root: Cid, profile: Profile) -> CompiledProgram | None:
        """Give a program, or None if it was not kept. A checkpoint."""
        await trio.lowlevel.checkpoint()
        name = self._name(root)
        if not self._bundles.has(name, profile):
            return None
        return await trio.to_thread.run_sync(self._load, name, profile, abandon_on_cancel=True)

    async def keep(self, program: CompiledProgram) -> None:
        """Keep a program for the next time, if it is worth it. A checkpoint."""
        await trio.lowlevel.checkpoint()
        if len(program.modules) >= MODULES_MIN:
            await trio.to_thread.run_sync(self._keep, program)

    def _load(self, name: bytes, profile: Profile) -> CompiledProgram | None:
        bundle = self._bundles.load(name, profile)
        if bundle is None:
            return None
        try:
            linked, recipe = read_plan(bundle.record)
        except UnreadablePlan:
            return None
        return CompiledProgram(linked, recipe, bundle.modules, profile)

    def _keep(self, program: CompiledProgram) -> None:
        self._bundles.store(
            self._name(program.plan.root.cid),
            program.profile,
            record=write_plan(program.plan, program.recipe),
            modules=program.modules,
        )

    def _name(self, root: Cid) -> bytes:
        return hashlib.sha256(self._form).digest() + bytes(root)
