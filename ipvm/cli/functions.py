"""Describe the functions of a program, for a person and for a program."""

from ipvm.ipld import Value
from ipvm.linker import SurveyNode
from ipvm.model import Signature
from ipvm.runtime.abi import callable_names, signature_of

__all__ = ["function_lines", "function_records", "signatures"]


def signatures(node: SurveyNode) -> dict[str, Signature]:
    """Give the functions that a caller can call, by name; none where the code is not here."""
    if node.info is None:
        return {}
    exports = {} if node.manifest is None else node.manifest.exports
    names = callable_names(node.info, exports)
    return {name: signature_of(node.info, exports, name) for name in names}


def function_lines(node: SurveyNode) -> list[str]:
    """Give what a person reads: a line for each function, and one for what it does."""
    lines: list[str] = []
    for name, signature in signatures(node).items():
        lines.append(f"  {name}{signature}")
        lines.extend(f"      {line}" for line in (signature.doc or "").splitlines())
    return lines


def function_records(node: SurveyNode) -> dict[str, Value]:
    """Give what a program reads: signatures by name."""
    return {name: signature.to_value() for name, signature in signatures(node).items()}
