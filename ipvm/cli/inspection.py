"""Describe a program that may or may not link, for a person and for a program."""

from collections.abc import Iterator

from ipvm.cli.functions import function_lines, function_records, signatures
from ipvm.cli.terminal import escaped, indented, plural
from ipvm.errors import IpvmError
from ipvm.ipld import Cid, Value
from ipvm.linker import Export as LinkedExport, Survey, SurveyNode, Wire
from ipvm.wasm import Export

__all__ = ["inspection_lines", "inspection_record", "problem_record"]


def inspection_lines(survey: Survey) -> Iterator[str]:
    """Give what a person reads."""
    root = survey.nodes[survey.root]
    yield str(root.cid)
    yield from _code_lines(root)
    yield from _section("functions", function_lines(root))
    yield from _section("other exports", [f"  {_named(each)}" for each in _other_exports(root)])
    yield from _section("imports", _import_lines(root))
    yield from _section("closure", [f"  {_closure_line(survey)}"])
    yield from _section("problems", _problem_lines(survey))


def _section(heading: str, lines: list[str]) -> list[str]:
    return ["", heading, *map(escaped, lines)] if lines else []


def _code_lines(node: SurveyNode) -> Iterator[str]:
    if node.code is not None and node.code != node.cid:
        yield f"  a manifest with the code {node.code}"
    if node.info is not None:
        functions = plural(node.info.function_count, "function")
        yield f"  {plural(node.info.size, 'byte')} of code, {functions} in it"


def _other_exports(node: SurveyNode) -> list[Export]:
    known = signatures(node)
    exports = () if node.info is None else node.info.exports
    return [each for each in exports if each.name not in known]


def _named(export: Export) -> str:
    return f"{export.name}  {export.type}"


def _import_lines(node: SurveyNode) -> list[str]:
    lines = []
    for wire in node.wires:
        lines.append(f"  {wire.wanted.module}.{wire.wanted.name}  {wire.wanted.type}")
        lines.append(f"      {indented(_service(node, wire))}")
    return lines


def _service(node: SurveyNode, wire: Wire) -> str:
    if isinstance(wire.server, LinkedExport):
        return f"from {wire.server.node}"
    if wire.server is not None:
        return "from the host"
    if wire.problem is not None:
        return f"MISSING: {wire.problem}"
    return f"MISSING: there is something wrong with {node.dependencies[wire.wanted.module]}"


def _closure_line(survey: Survey) -> str:
    instances, sizes = plural(len(survey.nodes), "instance"), _code_sizes(survey)
    modules, size = plural(len(sizes), "module"), plural(sum(sizes.values()), "byte")
    verdict = "it links" if survey.problem is None else "it does not link"
    return f"{instances} of {modules}, {size} of code; {verdict}"


def _code_sizes(survey: Survey) -> dict[Cid, int]:
    """Give the size of each module, which several instances may have in common."""
    return {
        node.code: node.info.size
        for node in survey.nodes.values()
        if node.code is not None and node.info is not None
    }


def _problem_lines(survey: Survey) -> list[str]:
    return [f"  {indented(str(problem), '    ')}" for _, problem in _problems(survey)]


def _problems(survey: Survey) -> list[tuple[Cid, IpvmError]]:
    """Give each problem with the node that has it; a bound of the whole belongs to the root."""
    found = [(node.cid, problem) for node in survey.nodes.values() for problem in node.problems]
    if survey.problem is not None and all(each is not survey.problem for _, each in found):
        found.append((survey.root, survey.problem))
    return found


def inspection_record(survey: Survey) -> dict[str, Value]:
    """Give what a program reads."""
    root = survey.nodes[survey.root]
    sizes = _code_sizes(survey)
    return {
        "cid": str(root.cid),
        "code": None if root.code is None else str(root.code),
        "code_bytes": None if root.info is None else root.info.size,
        "functions": function_records(root),
        "exports": {each.name: str(each.type) for each in _other_exports(root)},
        "imports": [_import_record(root, wire) for wire in root.wires],
        "closure": {
            "instances": len(survey.nodes),
            "modules": len(sizes),
            "code_bytes": sum(sizes.values()),
        },
        "links": survey.problem is None,
        "problems": [
            {"cid": str(cid), **problem_record(problem)} for cid, problem in _problems(survey)
        ],
    }


def _import_record(node: SurveyNode, wire: Wire) -> dict[str, Value]:
    record: dict[str, Value] = {
        "module": wire.wanted.module,
        "name": wire.wanted.name,
        "type": str(wire.wanted.type),
        "from": None,
    }
    if isinstance(wire.server, LinkedExport):
        record["from"] = str(wire.server.node)
    elif wire.server is not None:
        record["from"] = "host"
    else:
        record["problem"] = _service(node, wire).removeprefix("MISSING: ")
    return record


def problem_record(problem: IpvmError) -> dict[str, Value]:
    """Give a problem as a program reads it: as in an error, without leaving for it."""
    return {
        "error": type(problem).__name__,
        "exit": problem.exit_code,
        "message": str(problem),
    }
