"""Functions that call WASI: they have a seed and streams, and neither files nor a way out."""

from collections.abc import Callable

import pytest

import ipvm
from ipvm.errors import GuestError
from ipvm.host.wasi.serving import CALL_FUEL

from .conftest import Publish

SAY = """
  (memory (export "memory") 1)
  (data (i32.const 0) "\\10\\00\\00\\00\\06\\00\\00\\00") (data (i32.const 16) "hello\\n")
  (func $say (param $to i32)
    (drop (call $fd_write (local.get $to) (i32.const 0) (i32.const 1) (i32.const 8))))
"""
DRAW = """
  (memory (export "memory") 1)
  (func (export "draw") (result i64)
    (drop (call $random_get (i32.const 0) (i32.const 8))) (i64.load (i32.const 0)))
  (func (export "again") (result i64)
    (drop (call $random_get (i32.const 0) (i32.const 8))) (i64.load (i32.const 0)))
"""


async def test_what_a_function_writes_to_its_streams_is_passed_on(
    node: ipvm.Node, publish: Publish, said: Callable[[], list[str]]
) -> None:
    cid = await publish(f"""{SAY}
      (func (export "f") (call $say (i32.const 1)) (call $say (i32.const 2)))""")
    await (await node.load(cid)).f()
    assert said() == [f"{cid}: hello\\n"] * 2


async def test_chance_follows_from_the_program_and_the_function(
    node: ipvm.Node, publish: Publish
) -> None:
    program = await node.load(await publish(DRAW))
    drawn = await program.draw()
    assert await program.draw() == drawn
    assert await program.again() != drawn
    other = await node.load(await publish(f"{DRAW} (global i32 (i32.const 0))"))
    assert await other.draw() != drawn


async def test_a_session_is_one_process(node: ipvm.Node, publish: Publish) -> None:
    async with node.session(await publish(DRAW)) as session:
        assert await session.draw() != await session.draw()


async def test_a_function_that_leaves_has_aborted(node: ipvm.Node, publish: Publish) -> None:
    program = await node.load(
        await publish("""(memory (export "memory") 1)
          (func (export "f") (call $proc_exit (i32.const 7)))""")
    )
    with pytest.raises(GuestError, match="proc_exit") as failed:
        await program.f()
    assert (failed.value.kind, failed.value.code) == ("abort", 7)
    receipt = await program["f"].receipt()
    assert receipt.record.out.to_value() == {
        "error": {"kind": "abort", "code": 7, "message": "proc_exit"}
    }


async def test_a_session_ends_when_its_guest_leaves(node: ipvm.Node, publish: Publish) -> None:
    cid = await publish("""(memory (export "memory") 1)
      (func (export "f") (call $proc_exit (i32.const 0)))""")
    async with node.session(cid) as session:
        with pytest.raises(GuestError, match="proc_exit"):
            await session.f()
        with pytest.raises(ipvm.SessionClosed, match=r"ended itself \(proc_exit\)"):
            await session.f()


async def test_no_folder_is_open(node: ipvm.Node, publish: Publish) -> None:
    program = await node.load(
        await publish("""(memory (export "memory") 1)
          (func (export "f") (result i32) (call $fd_prestat_get (i32.const 3) (i32.const 0)))""")
    )
    assert await program.f() == 8  # EBADF


@pytest.mark.parametrize("calls", [1, 500])
async def test_calls_of_wasi_cost_fuel(calls: int, node: ipvm.Node, publish: Publish) -> None:
    cid = await publish("""(memory (export "memory") 1)
      (func (export "f") (param $n i32)
        (loop $next
          (drop (call $fd_tell (i32.const 9) (i32.const 0)))
          (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))""")
    used = (await (await node.load(cid)).f.measured(calls)).fuel
    assert used is not None
    assert calls * CALL_FUEL < used < calls * (CALL_FUEL + 200)
    for short in (1, CALL_FUEL, used // 2):
        program = await node.load(cid, fuel=used - short)
        with pytest.raises(GuestError) as failed:
            await program.f(calls)
        assert (failed.value.kind, failed.value.fuel_used) == ("out-of-fuel", used - short)
    assert (await (await node.load(cid, fuel=used)).f.measured(calls)).fuel == used


async def test_guests_that_are_linked_share_what_they_have(
    node: ipvm.Node, publish: Publish, said: Callable[[], list[str]]
) -> None:
    """One draws after the other; and each may call the host besides."""
    library = await publish(DRAW)
    root = await publish(
        f"""(import "library" "draw" (func $other (result i64))) {DRAW}
        (func (export "f") (result i32)
          (drop (call $self (i32.const 100) (i32.const 128) (i32.const 64)))
          (call $log (i32.const 128) (i32.const 0)) (drop)
          (drop (call $random_get (i32.const 0) (i32.const 8)))
          (i64.eq (call $other) (i64.load (i32.const 0))))""",
        imports={"library": library},
    )
    assert await (await node.load(root)).f() == 0
    assert said() == [f"{root}: "]


async def test_a_manifest_may_name_another_wasi(node: ipvm.Node, publish: Publish) -> None:
    other = await publish('(func (export "fd_tell") (param i32 i32) (result i32) (i32.const 99))')
    cid = await publish(
        """(memory (export "memory") 1)
          (func (export "f") (result i32) (call $fd_tell (i32.const 0) (i32.const 0)))""",
        imports={"wasi_snapshot_preview1": other},
    )
    assert await (await node.load(cid)).f() == 99
