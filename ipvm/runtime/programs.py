"""Programs that are ready to run: fetched, linked on paper, compiled, and kept for the next call.

A program is a function of its root CID and the profile, so it is made once however many ask for it
at the same time. Modules are shared by all programs that contain them, for as long as one does.
"""

import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import final
from weakref import WeakValueDictionary

import trio

from ipvm.engine import CompiledModule, NotCompiled, compile_now, engine_for
from ipvm.errors import InvalidData, IpvmError
from ipvm.exchange import BlockService
from ipvm.ipld import Cid
from ipvm.limits import Limits
from ipvm.linker import START_EXPORT, CompiledProgram, LinkPlan, plan
from ipvm.model import Profile
from ipvm.runtime.entry import LoadedProgram
from ipvm.runtime.gather import BlockGetter, gather, resolved
from ipvm.wasm import ModuleInfo, prepare

__all__ = ["Programs"]


@final
class _Load:
    """The load of one program, and those who wait for it: one works, and all learn what came of it.

    If the one that works is cancelled, the next takes over. Who comes after a failure tries again.
    """

    __slots__ = ("__weakref__", "failure", "lock", "tried")

    def __init__(self) -> None:
        self.lock = trio.Lock()
        self.tried = 0
        self.failure: IpvmError | None = None


@final
class Programs:
    """The programs of one runtime, least recently used first to go."""

    def __init__(self, blocks: BlockService, *, limits: Limits) -> None:
        self._blocks = blocks
        self._limits = limits
        self._programs: OrderedDict[tuple[Cid, Profile], LoadedProgram] = OrderedDict()
        self._modules: WeakValueDictionary[tuple[Cid, Profile], CompiledModule] = (
            WeakValueDictionary()
        )
        self._loads: WeakValueDictionary[tuple[Cid, Profile], _Load] = WeakValueDictionary()
        self._compilers = trio.CapacityLimiter(os.cpu_count() or 1)

    def loaded(self, root: Cid, profile: Profile) -> LoadedProgram | None:
        """Give a program if it is at hand. It does not wait."""
        program = self._programs.get((root, profile))
        if program is not None:
            self._programs.move_to_end((root, profile))
        return program

    async def get(
        self, root: Cid, profile: Profile, *, blocks: BlockGetter | None = None
    ) -> LoadedProgram:
        """Give a program.

        Args:
            root: Its CID.
            profile: What to compile it for.
            blocks: Where its blocks come from, if somebody knows of more than all do.

        Raises:
            NotFound, Unavailable, InvalidData, LinkError, LimitExceeded: It cannot be had.
        """
        key = (root, profile)
        load = self._loads.setdefault(key, _Load())
        tried = load.tried
        async with load.lock:
            program = self.loaded(root, profile)
            if program is not None:
                return program
            if load.failure is not None and load.tried != tried and blocks is None:
                raise load.failure
            try:
                program = await self._make(root, profile, blocks or self._blocks)
            except IpvmError as error:
                load.failure = error
                load.tried += 1
                raise
            self._programs[key] = program
            if len(self._programs) > self._limits.loaded_programs_max:
                self._programs.popitem(last=False)
            return program

    async def _make(self, root: Cid, profile: Profile, blocks: BlockGetter) -> LoadedProgram:
        linked = await resolved(await gather(root, blocks, limits=self._limits), plan)
        return LoadedProgram(CompiledProgram(linked, await self._compile(linked, profile), profile))

    async def _compile(self, linked: LinkPlan, profile: Profile) -> Mapping[Cid, CompiledModule]:
        infos = {node.code: node.info for node in linked.nodes}
        modules: dict[Cid, CompiledModule] = {}
        failures: dict[Cid, IpvmError] = {}

        async def compile_one(code: Cid, info: ModuleInfo) -> None:
            try:
                modules[code] = await trio.to_thread.run_sync(
                    _compile_module,
                    linked.code[code],
                    info,
                    code,
                    profile,
                    abandon_on_cancel=True,  # the engine cannot be stopped; nobody waits for it
                    limiter=self._compilers,
                )
            except IpvmError as error:
                failures[code] = error

        async with trio.open_nursery() as nursery:
            for code, info in infos.items():
                known = self._modules.get((code, profile))
                if known is not None:
                    modules[code] = known
                else:
                    nursery.start_soon(compile_one, code, info)
        for code in infos:
            if code in failures:
                raise _in_module(code, failures[code]) from failures[code]
            self._modules[code, profile] = modules[code]
        return modules


def _in_module(code: Cid, failure: IpvmError) -> IpvmError:
    """Say which module is at fault."""
    if isinstance(failure, InvalidData):
        return NotCompiled(f"{code}: {failure}")
    return failure


def _compile_module(data: bytes, info: ModuleInfo, code: Cid, profile: Profile) -> CompiledModule:
    prepared = prepare(data, info, module_name=str(code), start_export=START_EXPORT)
    return compile_now(engine_for(profile), prepared)
