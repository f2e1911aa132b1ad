"""Vectors: JSON files that say what goes in and what has to come out.

A test works out what comes out and hands it to `hold`, which compares it with the file. Run with
`IPVM_ACCEPT=1`, `hold` writes it into the file instead; the difference is then for a person to judge.
"""

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def generate(root: Path) -> ModuleType:
    """The program that writes the generated parts of the spec."""
    spec = importlib.util.spec_from_file_location("generate", root / "spec" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def vector(path: Path) -> dict[str, Any]:
    """The content of the file that a test is about."""
    read: dict[str, Any] = json.loads(path.read_text())
    return read


@pytest.fixture
def hold(
    path: Path, vector: dict[str, Any], generate: ModuleType
) -> Callable[[dict[str, Any]], None]:
    """Hold the file to an outcome: some of its entries, as they should be."""

    layout: Callable[[object], str] = generate.layout

    def hold_or_accept(outcome: dict[str, Any]) -> None:
        if os.environ.get("IPVM_ACCEPT"):
            path.write_text(layout({**vector, **outcome}) + "\n")
        else:
            for key, value in outcome.items():
                assert layout(vector.get(key)) == layout(value), f"{key} of {path}"

    return hold_or_accept
