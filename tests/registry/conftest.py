"""Functions on the disk, and a node that publishes them."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import ipvm
from ipvm.store import Memory

ONE = '(module (func (export "one") (result i32) (i32.const 1)))'


@pytest.fixture
async def node() -> AsyncIterator[ipvm.Node]:
    async with ipvm.open(store=Memory()) as node:
        yield node


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder with code and an ipvm.toml; the extra lines go into the latter."""

    def folder(
        name: str, *, code: str | bytes = ONE, imports: dict[str, str] | None = None
    ) -> Path:
        path = tmp_path / name
        path.mkdir(parents=True)
        file = "code.wat" if isinstance(code, str) else "code.wasm"
        (path / file).write_bytes(code.encode() if isinstance(code, str) else code)
        lines = [f'code = "{file}"', "[imports]"]
        lines += [f'"{key}" = "{value}"' for key, value in (imports or {}).items()]
        (path / "ipvm.toml").write_text("\n".join(lines))
        return path

    return folder
