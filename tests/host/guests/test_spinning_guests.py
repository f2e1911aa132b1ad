"""A guest that does nothing but make host calls can be cancelled, and the loop stays alive."""

from collections.abc import Awaitable, Callable

import pytest
import trio

import ipvm
from ipvm.ipld import DAG_CBOR, Cid
from ipvm.model import Profile

Publish = Callable[..., Awaitable[Cid]]

BEATS = 20

CALLS = {
    "fuel": "(call $fuel (i32.const 0))",
    "self": "(call $self (i32.const 0) (i32.const 64) (i32.const 100))",
    "log": "(call $log (i32.const 0) (i32.const 0))",
    "long log": "(call $log (i32.const 0) (i32.const 65536))",
    "open": "(call $block_open (i32.const 0) (i32.const 512))",
    "open absent": "(call $block_open (i32.const 0) (i32.const 1000))",
    "create": "(call $block_create (i32.const 0) (i64.const {}) (i32.const 600) (i32.const 1))",
    "create large":
        "(call $block_create (i32.const 0) (i64.const {}) (i32.const 1024) (i32.const 4000000))",
    "link": "(call $block_link (i32.const 0) (i32.const 1)"
        " (i64.const 0x12) (i32.const 32) (i32.const 64) (i32.const 100))",
    "hash": "(call $hash (i32.const 0) (i64.const 0x12)"
        " (i32.const 0) (i32.const 4) (i32.const 64) (i32.const 64))",
    "hash much": "(call $hash (i32.const 0) (i64.const 0x16)"
        " (i32.const 0) (i32.const 4000000) (i32.const 64) (i32.const 64))",
    "call": "(call $call (i32.const 0) (i32.const 700) (i32.const 800) (i32.const 1)"
        " (i32.const 0) (i32.const 0) (i64.const 1000000))",
}  # fmt: skip
"""Host calls, each of which succeeds or fails without waiting for anything from far away."""


@pytest.mark.parametrize("profile", ["deterministic", "fast"])
@pytest.mark.parametrize("name", CALLS)
async def test_a_guest_that_spins_in_host_calls_leaves_the_loop_alive(
    node: ipvm.Node, publish: Publish, name: str, profile: Profile
) -> None:
    callee = "".join(f"\\{byte:02x}" for byte in bytes(await publish('(func (export "f"))')))
    text = f"""(memory (export "memory") 64)
      (data (i32.const 512) "\\01\\55\\00\\02ok")
      (data (i32.const 600) "\\f6")
      (data (i32.const 700) "{callee}") (data (i32.const 800) "f")
      (data (i32.const 1000) "\\01\\55\\12\\20")
      (data (i32.const 1024) "\\5a\\00\\3d\\08\\fb")
      (func (export "spin")
        (drop (call $block_create (i32.const 0) (i64.const 0x55) (i32.const 0) (i32.const 9)))
        (loop $again (drop {CALLS[name].format(DAG_CBOR)}) (br $again)))"""
    guest = await node.load(await publish(text), profile=profile)
    beats = 0

    async def beat(scope: trio.CancelScope) -> None:
        nonlocal beats
        while beats < BEATS:
            await trio.sleep(0.001)
            beats += 1
        scope.cancel()

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(beat, nursery.cancel_scope)
            await guest.spin()
    assert beats == BEATS
