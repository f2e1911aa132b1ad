"""Say what serves each import of a closure, and whether it fits, before anything is compiled.

An import is looked up in the modules that the host owns, then among the imports of the manifest, then
as a CID that stands in the name itself. WASI is the host's too, and a manifest may still say who else
serves it. What is found must have an export of that name, whose type satisfies the import.
"""

from collections.abc import Container, Iterator, Mapping
from typing import Final

from ipvm.errors import InvalidData, IpvmError, LimitExceeded, LinkError
from ipvm.host import CALLS, HOST_MODULES, WASI_MODULE, host_call
from ipvm.ipld import Cid
from ipvm.linker.conditions import (
    ImportMismatch,
    InvalidCode,
    SignatureMismatch,
    UnsatisfiedImport,
)
from ipvm.linker.names import cid_of_import_name
from ipvm.linker.plan import Export, LinkPlan, PlanNode, Survey, SurveyNode, Wire
from ipvm.linker.planner import Module, Planner, limit_exceeded
from ipvm.model import Signature, wasm_type
from ipvm.model.wording import listed, quoted
from ipvm.wasm import FuncType, Import, MemoryType, ModuleInfo, ValType, satisfies

__all__ = ["plan", "survey"]

_WASI_HINT: Final = (
    f". Of WASI, {WASI_MODULE} is built in: build the module for that (wasm32-wasip1, wasm32-wasi), "
    "or link it to a module that serves these calls"
)


def survey(planner: Planner) -> Survey:
    """Walk what a planner has gathered, whole or not.

    Nodes come in topological order, and imports in the order of the code, so the result depends on
    the content alone.
    """
    nodes: dict[Cid, SurveyNode] = {}
    for cid in _topological(planner):
        nodes[cid] = _survey_node(planner, cid)
    problems = (problem for node in nodes.values() for problem in node.problems)
    first = planner.exceeded or next(problems, None) or _too_deep(planner, nodes)
    return Survey(planner.root, nodes, first)


def plan(planner: Planner) -> LinkPlan:
    """Give the linked program.

    Raises:
        IpvmError: The first thing that is wrong, in the order of the program.
    """
    surveyed = survey(planner)
    if surveyed.problem is not None:
        raise surveyed.problem
    nodes = tuple(_plan_node(node) for node in surveyed.nodes.values())
    code = {node.code: planner.modules[node.code].data for node in nodes}
    return LinkPlan(nodes, code)


def _topological(planner: Planner) -> Iterator[Cid]:
    """Give the nodes that the root reaches, each after those that it is linked to."""
    done: set[Cid] = set()
    stack: list[tuple[Cid, Iterator[Cid]]] = []

    def enter(cid: Cid) -> None:
        done.add(cid)
        stack.append((cid, iter(_dependencies(planner, cid).values())))

    enter(planner.root)
    while stack:
        cid, rest = stack[-1]
        following = next((other for other in rest if other not in done), None)
        if following is None:
            stack.pop()
            yield cid
        else:
            enter(following)


def _dependencies(planner: Planner, cid: Cid) -> dict[str, Cid]:
    """Give what a node is linked to, by import module name, in the order of its code.

    An entry of the manifest that the code does not import is no dependency.
    """
    module = _module_of(planner, cid)
    if module is None:
        return {}
    manifest = planner.manifests.get(cid)
    named: Mapping[str, Cid] = {} if manifest is None else manifest.imports
    targets: dict[str, Cid] = {}
    for name in dict.fromkeys(wanted.module for wanted in module.info.imports):
        if _is_host(name, named):
            continue
        target = named.get(name) or cid_of_import_name(name)
        if target is not None:
            targets[name] = target
    return targets


def _is_host(module: str, named: Container[str]) -> bool:
    """Tell whether the host serves an import module, given those that a manifest names."""
    return module in HOST_MODULES or (module == WASI_MODULE and module not in named)


def _module_of(planner: Planner, cid: Cid) -> Module | None:
    code = planner.code_of(cid)
    return None if code is None else planner.modules.get(code)


def _survey_node(planner: Planner, cid: Cid) -> SurveyNode:
    manifest = planner.manifests.get(cid)
    code = planner.code_of(cid)
    module = None if code is None else planner.modules.get(code)
    dependencies = _dependencies(planner, cid)
    wires: tuple[Wire, ...] = ()
    problems: list[IpvmError] = []
    if module is None:
        problems.append(_why_no_module(planner, cid, code))
    else:
        wires = tuple(_wire(planner, cid, wanted, dependencies) for wanted in module.info.imports)
        problems.extend(wire.problem for wire in wires if wire.problem is not None)
        signatures = {} if manifest is None else manifest.exports
        problems.extend(_signature_problems(cid, signatures, module.info))
        problems.extend(_memory_problems(cid, module.info, dependencies))
    return SurveyNode(
        cid=cid,
        manifest=manifest,
        code=code,
        info=None if module is None else module.info,
        wires=wires,
        dependencies=dependencies,
        problems=tuple(problems),
    )


def _why_no_module(planner: Planner, cid: Cid, code: Cid | None) -> IpvmError:
    if code is None:
        problem = planner.problem_of_manifest(cid)
    else:
        problem = planner.problem_of_code(code)
        if isinstance(problem, InvalidData) and code != cid:
            problem = InvalidCode(cid, problem)
    unknown = LinkError(f"the closure of {cid} was not fetched to the end")
    return problem or planner.exceeded or unknown


def _wire(planner: Planner, cid: Cid, wanted: Import, dependencies: Mapping[str, Cid]) -> Wire:
    if _is_host(wanted.module, dependencies):
        return _host_wire(cid, wanted)
    target = dependencies.get(wanted.module)
    if target is None:
        return _unserved(cid, wanted, _where_looked(planner, cid, wanted))
    module = _module_of(planner, target)
    if module is None:
        return Wire(wanted=wanted, server=None)  # the target's own problem says why
    export = module.info.export(wanted.name)
    if export is None:
        names = listed(offered.name for offered in module.info.exports)
        why = f"{target} has no export {quoted(wanted.name)}; it has {names}"
        return _unserved(cid, wanted, why)
    if not satisfies(wanted.type, export.type):
        problem = ImportMismatch(cid, wanted, found=export.type, source=str(target))
        return Wire(wanted=wanted, server=None, problem=problem)
    return Wire(wanted=wanted, server=Export(target, wanted.name))


def _host_wire(cid: Cid, wanted: Import) -> Wire:
    call = host_call(wanted.module, wanted.name)
    if call is None:
        names = listed(call.name for call in CALLS if call.module == wanted.module)
        return _unserved(cid, wanted, f'the host module "{wanted.module}" has {names}')
    if wanted.type != call.type:
        problem = ImportMismatch(
            cid, wanted, found=call.type, source=f'the host module "{wanted.module}"'
        )
        return Wire(wanted=wanted, server=None, problem=problem)
    return Wire(wanted=wanted, server=call)


def _unserved(cid: Cid, wanted: Import, why: str) -> Wire:
    return Wire(wanted=wanted, server=None, problem=UnsatisfiedImport(cid, wanted, why))


def _where_looked(planner: Planner, cid: Cid, wanted: Import) -> str:
    hosts = listed(sorted({*HOST_MODULES, WASI_MODULE}))
    manifest = planner.manifests.get(cid)
    if manifest is None:
        imports = f"{cid} is linked without a manifest"
    else:
        imports = f"the manifest's imports are {listed(sorted(manifest.imports))}"
    hint = _WASI_HINT if wanted.module.startswith("wasi_") else ""
    return f"{quoted(wanted.module)} is no host module ({hosts}), {imports}, and it is no CID{hint}"


def _signature_problems(
    cid: Cid, signatures: Mapping[str, Signature], info: ModuleInfo
) -> Iterator[IpvmError]:
    for name, signature in sorted(signatures.items()):
        export = info.export(name)
        where = f"manifest {cid}: exports[{quoted(name)}]"
        if export is None:
            names = listed(offered.name for offered in info.exports)
            yield SignatureMismatch(f"{where}: the code has no such export; it has {names}")
            continue
        wanted = FuncType(
            params=tuple(ValType(wasm_type(type_)) for type_ in signature.params),
            results=tuple(ValType(wasm_type(type_)) for type_ in signature.results),
        )
        if export.type != wanted:
            yield SignatureMismatch(
                f"{where}: the signature {signature} is {wanted} in wasm, "
                f"and the code has {export.type}"
            )


def _memory_problems(
    cid: Cid, info: ModuleInfo, dependencies: Container[str]
) -> Iterator[IpvmError]:
    hosted = (wanted for wanted in info.imports if _is_host(wanted.module, dependencies))
    calls = next(hosted, None)
    if calls is not None and _memory_of(info) is None:
        yield LinkError(
            f"{cid} imports {quoted(calls.module)}.{quoted(calls.name)} but has no memory that the "
            'call could use: export one as "memory", or import one'
        )


def _memory_of(info: ModuleInfo) -> str | int | None:
    """Find the memory that host calls work on; see `PlanNode.memory`."""
    export = info.export("memory")
    if export is not None and isinstance(export.type, MemoryType):
        return "memory"
    positions = (i for i, wanted in enumerate(info.imports) if isinstance(wanted.type, MemoryType))
    return next(positions, None)


def _too_deep(planner: Planner, nodes: Mapping[Cid, SurveyNode]) -> LimitExceeded | None:
    depths: dict[Cid, int] = {}
    for cid, node in nodes.items():
        depths[cid] = 1 + max((depths.get(d, 0) for d in node.dependencies.values()), default=0)
    deepest, maximum = max(depths.values()), planner.limits.closure_depth_max
    if deepest <= maximum:
        return None
    return limit_exceeded("closure_depth_max", maximum, found=deepest)


def _plan_node(node: SurveyNode) -> PlanNode:
    assert node.info is not None
    assert node.code is not None
    servers = tuple(wire.server for wire in node.wires if wire.server is not None)
    assert len(servers) == len(node.wires)
    calls_host = any(not isinstance(server, Export) for server in servers)
    return PlanNode(
        cid=node.cid,
        code=node.code,
        info=node.info,
        servers=servers,
        signatures={} if node.manifest is None else node.manifest.exports,
        memory=_memory_of(node.info) if calls_host else None,
    )
