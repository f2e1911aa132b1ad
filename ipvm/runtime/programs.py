"""Programs that are ready to run: fetched, linked on paper, compiled, and kept for the next call.

A program is a function of its root CID and the profile, so it is made once however many ask for it
at the same time. Modules are shared by all programs that contain them (`modules`), and large programs
of small modules are kept as a whole for other processes too (`bundled`).
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple, final
from weakref import WeakValueDictionary

import trio

from ipvm.engine import Bundles, CompiledModule, Compiler, ModuleSource, NotCompiled
from ipvm.errors import InvalidData, IpvmError, LimitExceeded, Refused
from ipvm.exchange import BlockService
from ipvm.ipld import Cid
from ipvm.limits import Limits
from ipvm.linker import START_EXPORT, CompiledProgram, LinkPlan, plan, recipe_of
from ipvm.model import Profile
from ipvm.runtime.bundled import BundledPrograms
from ipvm.runtime.entry import LoadedProgram
from ipvm.runtime.gather import BlockGetter, gather, resolved
from ipvm.runtime.modules import Modules
from ipvm.wasm import HOW_TO_RAISE, ModuleInfo, prepare

__all__ = ["Compiling", "Programs"]


class Compiling(NamedTuple):
    """How far the modules are of programs that are being compiled.

    Attributes:
        ready: Modules that are compiled, or were found so.
        modules: All modules of these programs.
    """

    ready: int
    modules: int


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

    def __init__(
        self,
        blocks: BlockService,
        *,
        compiler: Compiler,
        bundles: Bundles | None,
        limits: Limits,
    ) -> None:
        self._blocks = blocks
        self._compiler = compiler
        self._bundled = None if bundles is None else BundledPrograms(bundles, limits=limits)
        self._limits = limits
        self._programs: OrderedDict[tuple[Cid, Profile], LoadedProgram] = OrderedDict()
        self._program_bytes = 0
        self._modules = Modules(bytes_max=limits.loaded_bytes_max)
        self._compilations: list[_Compilation] = []
        self._loads: WeakValueDictionary[tuple[Cid, Profile], _Load] = WeakValueDictionary()

    def loaded(self, root: Cid, profile: Profile) -> LoadedProgram | None:
        """Give a program if it is at hand. It does not wait."""
        program = self._programs.get((root, profile))
        if program is not None:
            self._programs.move_to_end((root, profile))
        return program

    @property
    def compiling(self) -> Compiling | None:
        """What is being compiled, if anything is."""
        if not self._compilations:
            return None
        ready = sum(len(each.modules) for each in self._compilations)
        return Compiling(ready, sum(len(each.infos) for each in self._compilations))

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
            self._keep(key, program)
            return program

    def _keep(self, key: tuple[Cid, Profile], program: LoadedProgram) -> None:
        """Keep a program for the next call, and let others go that there is no room for."""
        self._programs[key] = program
        self._program_bytes += program.program.machine_code_bytes
        while len(self._programs) > 1 and (
            len(self._programs) > self._limits.loaded_programs_max
            or self._program_bytes > self._limits.loaded_bytes_max
        ):
            _, other = self._programs.popitem(last=False)
            self._program_bytes -= other.program.machine_code_bytes

    async def _make(self, root: Cid, profile: Profile, blocks: BlockGetter) -> LoadedProgram:
        if self._bundled is not None:
            program = await self._bundled.load(root, profile)
            if program is not None:
                return LoadedProgram(program)
        linked = await resolved(await gather(root, blocks, limits=self._limits), plan)
        compiled = await self._compile(linked, profile)
        modules = [compiled[code] for code in linked.code]
        program = CompiledProgram(linked, recipe_of(linked), modules, profile)
        if self._bundled is not None:
            await self._bundled.keep(program)
        return LoadedProgram(program)

    async def _compile(self, linked: LinkPlan, profile: Profile) -> Mapping[Cid, CompiledModule]:
        compilation = _Compilation(self._compiler, linked, profile, limits=self._limits)
        self._compilations.append(compilation)
        try:
            async with trio.open_nursery() as nursery:
                for code in compilation.infos:
                    known = self._modules.get(code, profile)
                    if known is not None:
                        compilation.modules[code] = known
                    else:
                        nursery.start_soon(compilation.compile, code, nursery.cancel_scope)
        finally:
            self._compilations.remove(compilation)
        compilation.check()
        for code, module in compilation.modules.items():
            self._modules.use(code, profile, module)
        return compilation.modules


@final
class _Compilation:
    """The modules of one program, while they are compiled."""

    def __init__(
        self, compiler: Compiler, linked: LinkPlan, profile: Profile, *, limits: Limits
    ) -> None:
        self.infos = {node.code: node.info for node in linked.nodes}
        self.modules: dict[Cid, CompiledModule] = {}
        self._compiler = compiler
        self._linked = linked
        self._profile = profile
        self._room = limits.program_artifact_bytes_max
        self._bytes_max = limits.program_artifact_bytes_max
        self._failures: dict[Cid, IpvmError] = {}

    async def compile(self, code: Cid, others: trio.CancelScope) -> None:
        """Compile a module; the others are cancelled when there is no room for more."""
        source = _source(self._linked.code[code], self.infos[code], code)
        try:
            module = await self._compiler.compile(source, self._profile)
        except IpvmError as error:
            self._failures[code] = error
            return
        self.modules[code] = module
        self._room -= module.size
        if self._room < 0:
            others.cancel()

    def check(self) -> None:
        """Raise the failure of the first module that could not be compiled.

        Raises:
            NotCompiled, Refused: The message says which module is at fault.
        """
        if self._room < 0:
            raise LimitExceeded("program_artifact_bytes_max", self._bytes_max, how=HOW_TO_RAISE)
        for code in self.infos:
            if code in self._failures:
                raise _in_module(code, self._failures[code]) from self._failures[code]


def _in_module(code: Cid, failure: IpvmError) -> IpvmError:
    """Say which module is at fault."""
    if isinstance(failure, InvalidData):
        return NotCompiled(f"{code}: {failure}")
    if isinstance(failure, LimitExceeded):
        how = f"met by the module {code}; {HOW_TO_RAISE}"
        return LimitExceeded(failure.limit, failure.maximum, found=failure.found, how=how)
    if isinstance(failure, Refused):
        return Refused(f"{code}: {failure}")
    return failure


def _source(data: bytes, info: ModuleInfo, code: Cid) -> ModuleSource:
    def prepared() -> bytes:
        return prepare(data, info, module_name=str(code), start_export=START_EXPORT)

    return ModuleSource(code=bytes(code), info=info, prepare=prepared)
