"""A command in C that does what its arguments say, on a node of its own."""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import ipvm
from ipvm.ipld import RAW, Block, Cid
from ipvm.runtime.running import CommandResult

Run = Callable[..., Awaitable[CommandResult]]


@pytest.fixture(scope="session")
def puppet(tmp_path_factory: pytest.TempPathFactory) -> Block:
    """The command, as a block."""
    pytest.importorskip("ziglang", reason="ziglang, which builds C for WASI, is not installed")
    built = tmp_path_factory.mktemp("puppet") / "puppet.wasm"
    source = Path(__file__).with_name("puppet.c")
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-Os", "-s"]
    subprocess.run([*command, source, "-o", built], check=True, timeout=300)
    return Block.of(built.read_bytes(), codec=RAW)


@pytest.fixture
async def command(node: ipvm.Node, puppet: Block) -> Cid:
    """Its CID, on the node."""
    await node.store.put(puppet)
    return puppet.cid


@pytest.fixture
def run(node: ipvm.Node, command: Cid) -> Run:
    """Runs it."""

    async def run(*words: str, **options: object) -> CommandResult:
        return await node.run(command, words, **options)  # type: ignore[arg-type]

    return run
