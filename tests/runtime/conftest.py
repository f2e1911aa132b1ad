"""A node over what a library holds, and the guests that most tests of this layer call."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeAlias

import pytest

import ipvm
from ipvm.ipld import RAW, Cid
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT
from ipvm.model import Profile
from ipvm.store import Memory
from ipvm.testing import Library

Load: TypeAlias = Callable[..., Awaitable[ipvm.Program]]


@pytest.fixture
async def node() -> AsyncIterator[ipvm.Node]:
    async with ipvm.open(store=Memory()) as node:
        yield node


@pytest.fixture
def load(node: ipvm.Node) -> Load:
    """Put a library into the store of the node, and load one of its functions."""

    async def load(
        library: Library,
        root: Cid,
        *,
        fuel: int = FUEL_DEFAULT,
        memory: int = MEMORY_DEFAULT,
        profile: Profile = "deterministic",
    ) -> ipvm.Program:
        await node.store.put_many(list(library.blocks.values()))
        return await node.load(root, fuel=fuel, memory=memory, profile=profile)

    return load


def escaped(data: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in data)


@pytest.fixture(scope="session")
def reading() -> Callable[[Sequence[Cid]], str]:
    """A guest that opens the first `n` of some blocks, or all, and gives the last error number."""

    def reading(cids: Sequence[Cid]) -> str:
        size = len(bytes(cids[0]))
        data = escaped(b"".join(map(bytes, cids)))
        return f"""(module
          (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
          (memory (export "memory") 16)
          (data (i32.const 64) "{data}")
          (func $read (export "read") (param $n i32) (result i32)
            (local $error i32) (local $last i32)
            (loop $next
              (if (i32.eqz (local.get $n)) (then (return (local.get $last))))
              (local.set $n (i32.sub (local.get $n) (i32.const 1)))
              (local.set $error (call $open (i32.const 0)
                (i32.add (i32.const 64) (i32.mul (local.get $n) (i32.const {size})))))
              (if (local.get $error) (then (local.set $last (local.get $error))))
              (br $next))
            (unreachable))
          (func (export "all") (result i32) (call $read (i32.const {len(cids)}))))"""

    return reading


@pytest.fixture(scope="session")
def calling() -> Callable[..., str]:
    """A guest that calls a function of another by CID, and gives 1000 * error number + exit."""

    def calling(cid: Cid, name: str, *, fuel: int = 0, end: str = "") -> str:
        return f"""(module
          (import "ipvm" "call"
            (func $call (param i32 i32 i32 i32 i32 i32 i64) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 64) "{escaped(bytes(cid))}") (data (i32.const 512) "{name}")
          (func (export "go") (result i32) (local $error i32)
            (local.set $error
              (call $call (i32.const 0) (i32.const 64) (i32.const 512)
                (i32.const {len(name)}) (i32.const 0) (i32.const 0) (i64.const {fuel})))
            {end}
            (i32.add (i32.mul (i32.const 1000) (local.get $error)) (i32.load (i32.const 0)))))"""

    return calling


@pytest.fixture(scope="session")
def making() -> Callable[..., str]:
    """A guest that makes a block, names it (at 64), opens it by that name, and gives its size."""

    def making(data: bytes, *, codec: int = RAW, imports: str = "", end: str = "") -> str:
        return f"""(module
          (import "ipld" "block_create" (func $create (param i32 i64 i32 i32) (result i32)))
          (import "ipld" "block_link"
            (func $link (param i32 i32 i64 i32 i32 i32) (result i32)))
          (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
          {imports}
          (memory (export "memory") 2)
          (data (i32.const 1024) "{escaped(data)}")
          (func (export "make") (result i32)
            (if (call $create (i32.const 0) (i64.const {codec}) (i32.const 1024)
                (i32.const {len(data)})) (then (unreachable)))
            (if (call $link (i32.const 4) (i32.load (i32.const 0)) (i64.const 18) (i32.const 32)
                (i32.const 64) (i32.const 160)) (then (unreachable)))
            (if (call $open (i32.const 16) (i32.const 64)) (then (unreachable)))
            {end}
            (i32.load (i32.const 28))))"""

    return making
