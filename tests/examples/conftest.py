"""A node for each test, and the examples as a newcomer finds them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ipvm
from ipvm.store import Memory


@pytest.fixture(scope="session")
def examples(root: Path) -> Path:
    return root / "examples"


@pytest.fixture
async def node() -> AsyncIterator[ipvm.Node]:
    async with ipvm.open(store=Memory()) as opened:
        yield opened
