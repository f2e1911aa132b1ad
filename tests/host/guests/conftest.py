"""Guests that run through the whole runtime, and one that calls others and tells what it saw."""

import functools
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec
import pytest

import ipvm
from ipvm.engine import text_to_module
from ipvm.exchange import StoreSource
from ipvm.host import CALLS
from ipvm.ipld import RAW, Cid
from ipvm.model import Manifest, Signature
from ipvm.store import Memory
from ipvm.testing import Gated

Publish = Callable[..., Awaitable[Cid]]
Call = Callable[..., Awaitable["Reply"]]

IMPORTS: Final = {
    each.name: f'(import "{each.module}" "{each.name}" '
    f"(func ${each.name} (param {' '.join(each.type.params)}) "
    f"(result {' '.join(each.type.results)})))"
    for each in CALLS
}
"""The text of the import of each call that the host serves."""

CALLER = f"""
  (memory (export "memory") 2)
  (func (export "f") (param $cid i32) (param $name i32) (param $count i32)
    (param $first i32) (param $second i32) (param $fuel i64) (result i32)
    (drop (call $block_stat (i32.const 0) (local.get $name)))
    (drop (call $block_read
      (i32.const 64) (local.get $cid) (i32.const 0) (i32.const 256) (i32.const 200)))
    (drop (call $block_read
      (i32.const 64) (local.get $name) (i32.const 0) (i32.const 1024) (i32.const 4096)))
    (i32.store (i32.const 8192) (local.get $first))
    (i32.store (i32.const 8196) (local.get $second))
    (i32.store (i32.const 16384)
      (call $call (i32.const 16388) (i32.const 256) (i32.const 1024) (i32.load (i32.const 8))
        (i32.const 8192) (local.get $count) (local.get $fuel)))
    (if (i32.load (i32.const 16404))  ;; the handle of the result
      (then
        (drop (call $block_read (i32.const 64) (i32.load (i32.const 16404))
          (i32.const 0) (i32.const 16420) (i32.const 20000)))))
    (drop (call $block_create (i32.const 64) (i64.const {RAW})
      (i32.const 16384) (i32.add (i32.const 36) (i32.load (i32.const 16408)))))
    (i32.load (i32.const 64)))
"""


class Reply(NamedTuple):
    """What the caller saw: the error number, then what stands behind the out-pointer."""

    error: int
    exit: int
    code: int
    codec: int
    id: int
    size: int
    fuel_used: int
    data: bytes


@pytest.fixture
def far() -> Memory:
    """A store that the node reaches through `source` only."""
    return Memory()


@pytest.fixture
async def source(far: Memory) -> Gated:
    """The way to `far`; its gate is open."""
    gated = Gated(StoreSource(far))
    gated.gate.set()
    return gated


@pytest.fixture
async def node(source: Gated) -> AsyncIterator[ipvm.Node]:
    """A node over a store in memory."""
    async with ipvm.open(store=Memory(), sources=[source]) as node:
        yield node


async def publish(
    text: str,
    *,
    node: ipvm.Node,
    imports: Mapping[str, Cid] = MappingProxyType({}),
    exports: Mapping[str, str] = MappingProxyType({}),
) -> Cid:
    """Store a module, and a manifest where one has something to say.

    Args:
        text: What stands in the module. A host call that it names, as `$log`, is imported.
        node: Where to.
        imports: What serves other imports.
        exports: Signatures, as `bytes, i32 -> bytes`.
    """
    used = [line for name, line in IMPORTS.items() if re.search(rf"\${name}\b", text)]
    code = await node.put(text_to_module(f"(module {' '.join(used)} {text})"))
    if not imports and not exports:
        return code
    signatures = {name: _signature(written) for name, written in exports.items()}
    manifest = Manifest(code=code, imports=imports, exports=signatures).to_block()
    await node.blocks.put(manifest)
    return manifest.cid


def _signature(written: str) -> Signature:
    sides = [side.replace(",", " ").split() for side in written.split("->")]
    record: dict[str, object] = {"params": sides[0], "results": sides[1]}
    return msgspec.convert(record, Signature)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What guests have said so far, each with the CID of who said it."""
    caplog.set_level("INFO", logger="ipvm.guest")
    return lambda: caplog.messages


@pytest.fixture(name="publish")
def publish_to_node(node: ipvm.Node) -> Callable[..., Awaitable[Cid]]:
    """Publishes text to the node; see `publish`."""
    return functools.partial(publish, node=node)


@pytest.fixture
async def caller(node: ipvm.Node, publish: Publish) -> ipvm.Program:
    return await node.load(
        await publish(CALLER, exports={"f": "bytes, bytes, i32, bytes, bytes, i64 -> bytes"})
    )


@pytest.fixture
def call(caller: ipvm.Program) -> Call:
    """Calls a function through the guest."""

    async def call(cid: Cid | bytes, name: str | bytes, *blocks: bytes, fuel: int = 0) -> Reply:
        given = [*blocks, b"", b""][:2]
        spelled = name.encode() if isinstance(name, str) else name
        reply = await caller.f(bytes(cid), spelled, len(blocks), *given, fuel)
        assert isinstance(reply, bytes)
        return Reply._make([*struct.unpack_from("<iIIQIIQ", reply), reply[36:]])

    return call
