"""Write those parts of the documents that the code or a vector knows better.

Run it as `python spec/generate.py`; it looks through the chapters of the spec, and through `docs/`.
Two marks say where. What follows `<!-- vector: FILE KEY/KEY -->` is a fenced block with that part of
a file of `vectors/`, or all of it. What stands between `<!-- generated: NAME -->` and `<!-- end -->`
is a table of the host calls, or the like. With `--check` nothing is written, and the exit code says
whether something would be.
"""

import ast
import json
import re
import sys
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Final

from ipvm import limits
from ipvm.host import EXIT_NUMBERS, HOST_CALLS, ErrorNumber, HostCall, companion_bytes
from ipvm.ipld import Cid
from ipvm.runtime import kernel_cid

SPEC: Final = Path(__file__).parent
DOCS: Final = SPEC.parent / "docs"
LINE_LETTERS: Final = 96

_VECTOR: Final = re.compile(
    r"(<!-- vector: (\S+)(?: ([^\n]+?))? -->\n)```\w+\n.*?^```$", re.MULTILINE | re.DOTALL
)
_GENERATED: Final = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

_SHARED_BOUNDS: Final = (
    "BLOCK_BYTES_MAX",
    "CID_BYTES_MAX",
    "DIGEST_BYTES_MIN",
    "DIGEST_BYTES_MAX",
    "IPLD_DEPTH_MAX",
    "NAME_BYTES_MAX",
    "MODULE_NAME_BYTES_MAX",
    "FUNCTION_PARAMETERS_MAX",
    "RECORD_ENTRIES_MAX",
    "RECORD_INTEGER_MAX",
    "DOC_BYTES_MAX",
    "CALL_DEPTH_MAX",
    "CALL_FUEL_KEPT",
    "CALL_MEMORY_KEPT",
    "READS_INLINE_MAX",
    "MESSAGE_BYTES_MAX",
    "COMMAND_TEXT_BYTES_MAX",
    "FUEL_DEFAULT",
    "MEMORY_DEFAULT",
    "TABLE_ELEMENTS_MAX",
    "FILE_BYTES_MAX",
    "FILE_DEPTH_MAX",
    "FILE_PATH_BYTES_MAX",
    "FILE_READ_BYTES_MAX",
    "HAMT_FANOUT_MAX",
    "NODES_AT_HAND_MAX",
    "NODES_AT_HAND_BYTES_MAX",
    "SYMLINK_BYTES_MAX",
    "SYMLINKS_FOLLOWED_MAX",
)
"""The constants of `ipvm.limits` that other runtimes have to have too."""


def layout(value: object, indent: int = 0, used: int = 0) -> str:
    """JSON with one entry a line, but for what fits on one."""
    flat = json.dumps(value, ensure_ascii=False)
    if not value or not isinstance(value, dict | list) or used + len(flat) <= LINE_LETTERS:
        return flat
    inner = indent + 2
    names = [f"{json.dumps(key, ensure_ascii=False)}: " for key in value]
    if isinstance(value, list):
        names = [""] * len(value)
    entries = value.values() if isinstance(value, dict) else value
    lines = [
        f"{' ' * inner}{name}{layout(entry, inner, inner + len(name) + 1)}"
        for name, entry in zip(names, entries, strict=True)
    ]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([opening, ",\n".join(lines), " " * indent + closing])


def part(file: str, keys: str | None) -> str:
    """Give a fenced block with a part of a vector."""
    value = json.loads((SPEC / "vectors" / file).read_text())
    language = "json"
    for key in keys.split("/") if keys else ():
        value = value[int(key) if isinstance(value, list) else key]
        language = "wat" if key == "wat" else language
    text = "\n".join(value) if language == "wat" else layout(value)
    return f"```{language}\n{text}\n```"


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """Give a table of Markdown; the columns of the head are separated by bars."""
    columns = head.split("|")
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(each.strip() for each in line)} |\n" for line in lines)


def host_calls() -> str:
    """Give the table of host calls."""
    return table("call|what it does|parameters|writes to `out`|returns|fuel", map(_row, HOST_CALLS))


def _row(call: HostCall) -> Iterable[str]:
    yield f"`{call.module}.{call.name}`"
    yield call.doc
    yield "<br>".join(f"`{each.name} {each.type}`: {each.doc}" for each in call.parameters)
    yield call.out or "nothing"
    yield ", ".join(str(int(each)) for each in (ErrorNumber.OK, *sorted(call.errors)))
    each = f" + {call.fuel_per_byte:,} a byte" if call.fuel_per_byte else ""
    yield f"{call.fuel:,}{each}".replace(",", " ")


def error_numbers() -> str:
    """Give the table of error numbers, with the calls that return them."""
    rows = []
    for number in ErrorNumber:
        calls = [f"`{call.module}.{call.name}`" for call in HOST_CALLS if number in call.errors]
        users = "all" if number == ErrorNumber.OK else ", ".join(calls) or "none"
        rows.append([str(int(number)), number.name, users])
    return table("number|name|returned by", rows)


def exits() -> str:
    """Give the table of the exits of `ipvm.call`."""
    return table("exit|how the call ended", ([str(n), name] for name, n in EXIT_NUMBERS.items()))


def kernel() -> str:
    """Give the CIDs of the companion modules."""
    names = ("kernel", "stub", "binding")
    rows = [[name, f"`{Cid.of(companion_bytes(name))}`"] for name in names]
    return table("module|CID", [*rows, ["list of the three", f"`{kernel_cid()}`"]])


def bounds() -> str:
    """Give the bounds that all runtimes share, with what `ipvm.limits` says about each."""
    told = _told(ast.parse(Path(limits.__file__).read_text()))
    rows = ([f"`{name}`", _grouped(getattr(limits, name)), told[name]] for name in _SHARED_BOUNDS)
    return table("name|value|what it bounds", rows)


def machine_bounds() -> str:
    """Give the bounds that protect one machine."""
    tree = ast.parse(Path(limits.__file__).read_text())
    told = _told(next(node for node in tree.body if isinstance(node, ast.ClassDef)))
    fields = ((name, getattr(limits.Limits(), name)) for name in told)
    rows = ([f"`{name}`", _grouped(value), told[name]] for name, value in fields)
    return table("field of `Limits`|default|what it bounds", rows)


def _told(scope: ast.Module | ast.ClassDef) -> dict[str, str]:
    """Give the text behind each constant or field."""
    return {
        node.target.id: " ".join(str(text.value.value).split())
        for node, text in pairwise(scope.body)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def _grouped(value: int) -> str:
    return f"{value:,}".replace(",", " ")


GENERATORS: Final[dict[str, Callable[[], str]]] = {
    "bounds": bounds,
    "error-numbers": error_numbers,
    "exits": exits,
    "host-calls": host_calls,
    "kernel": kernel,
    "limits": machine_bounds,
}


def filled(chapter: str) -> str:
    """Give a document with its parts as they should be."""
    chapter = _VECTOR.sub(lambda mark: mark[1] + part(mark[2], mark[3]), chapter)
    return _GENERATED.sub(lambda mark: mark[1] + GENERATORS[mark[2]]() + mark[3], chapter)


def main(arguments: list[str]) -> int:
    """Write the documents, or tell which are stale."""
    documents = [path for folder in (SPEC, DOCS) for path in sorted(folder.glob("*.md"))]
    stale = [path for path in documents if filled(path.read_text()) != path.read_text()]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.name} is stale; run: python spec/generate.py")
        else:
            path.write_text(filled(path.read_text()))
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
