"""Whoever meets an error, a limit or a public name finds it in the documents."""

import importlib
import pkgutil
import re
from pathlib import Path

import ipvm
from ipvm.errors import IpvmError

NEEDS_AN_EXTRA = "ipvm.exchange.libp2p"  # it raises what stands elsewhere
DOCS = Path(__file__).parents[2] / "docs"
ROW = re.compile(r"^\| (?:\*\*)?`([A-Z]\w+)`(?:\*\*)? \|(.*)$", re.MULTILINE)


def subclasses(kind: type[IpvmError]) -> set[type[IpvmError]]:
    return {kind}.union(*(subclasses(each) for each in kind.__subclasses__()))


def all_errors() -> dict[str, type[IpvmError]]:
    for module in pkgutil.walk_packages(ipvm.__path__, "ipvm."):
        if not module.name.endswith("__main__") and not module.name.startswith(NEEDS_AN_EXTRA):
            importlib.import_module(module.name)
    found = subclasses(IpvmError)
    return {each.__name__: each for each in found if each.__module__.startswith("ipvm.")}


def test_every_error_is_documented_under_its_exit_code() -> None:
    documented: dict[str, set[int]] = {}
    for section in (DOCS / "errors.md").read_text().split("\n## "):
        head = re.search(r"Exit code (\d+)\.", section)
        for name, rest in ROW.findall(section):
            codes = [head[1]] if head else re.findall(r"\| (\d+) \|", rest)
            documented[name] = {int(code) for code in codes}
    assert documented == {name: {error.exit_code} for name, error in all_errors().items()}


def test_every_public_name_is_documented() -> None:
    text = (DOCS / "python.md").read_text() + (DOCS / "errors.md").read_text()
    named = {word for code in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", code)}
    missing = [name for name in ipvm.__all__ if name not in named and f"{name}s" not in named]
    assert missing == []
