"""A recursion without end is a condition of the runner, however small the stack of the thread is.

wasmtime itself would end the process where the thread has less stack than guest code may use.
"""

import resource
import subprocess
import sys
import threading

import pytest

import ipvm
from ipvm.engine import is_stack_ample
from ipvm.ipld import Cid
from ipvm.limits import CALL_DEPTH_MAX
from ipvm.model import Profile
from ipvm.testing import Library

TEXT = """(module
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $deep (export "deep") (param i32) (result i32)
    (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
  (func $wide (export "wide") (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
    (i64.add (local.get 7) (call $wide
      (local.get 1) (local.get 2) (local.get 3) (local.get 4)
      (local.get 5) (local.get 6) (local.get 7) (local.get 0))))
  (func $talk (export "talk") (param i32) (result i32)
    (drop (call $log (i32.const 0) (i32.const 8)))
    (i32.add (call $talk (local.get 0)) (i32.const 1)))
  (func $ask (export "ask") (param i32) (result i32)
    (drop (call $open (i32.const 0) (i32.const 0)))
    (i32.add (call $ask (local.get 0)) (i32.const 1)))
  (func (export "later") (param i32) (result i32)
    (local.set 0 (i32.const 1000000))
    (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (call $deep (i32.const 0)))
  (func (export "bottom") (result i32) (call $deep (i32.const 0)))
  (func (export "one") (result i32) (i32.const 1)))"""

PROFILES: tuple[Profile, ...] = ("deterministic", "fast")
CALLS: dict[str, tuple[int, ...]] = {
    "deep": (0,),
    "wide": (0,) * 8,
    "talk": (0,),
    "ask": (0,),
    "later": (0,),
}


def calling(cid: Cid, name: str) -> str:
    """A guest that calls a function of another by CID."""
    escaped = "".join(f"\\{byte:02x}" for byte in bytes(cid))
    return f"""(module
      (import "ipvm" "call" (func $call (param i32 i32 i32 i32 i32 i32 i64) (result i32)))
      (memory (export "memory") 1) (data (i32.const 64) "{escaped}")
      (data (i32.const 512) "{name}")
      (func (export "go") (result i32)
        (call $call (i32.const 0) (i32.const 64) (i32.const 512)
          (i32.const {len(name)}) (i32.const 0) (i32.const 0) (i64.const 0))))"""


async def overflow_in_every_way() -> None:
    library = Library()
    root = library.code(TEXT)
    chain = library.code(calling(root, "bottom"))
    for _ in range(CALL_DEPTH_MAX - 1):
        chain = library.code(calling(chain, "go"))
    async with ipvm.open(store=await library.store(), on_log=lambda _cid, _text: None) as node:
        for profile in PROFILES:
            program = await node.load(root, profile=profile)
            calls = [(program[name], arguments) for name, arguments in CALLS.items()]
            calls.append(((await node.load(chain, profile=profile)).go, ()))
            for function, arguments in calls:
                with pytest.raises(ipvm.LimitExceeded) as caught:
                    await function(*arguments)
                assert caught.value.limit == "wasm_stack_bytes"
                assert await program.one() == 1


async def test_a_recursion_without_end_is_a_condition_of_the_runner() -> None:
    await overflow_in_every_way()


PROGRAM = """
import sys, threading, trio
sys.path.insert(0, sys.argv[1])
from test_small_stacks import overflow_in_every_way

threading.stack_size(int(sys.argv[2]))
thread = threading.Thread(target=trio.run, args=[overflow_in_every_way])
thread.start()
thread.join()
print("survived")
"""


@pytest.mark.parametrize("kibibytes", [192, 512, 1536, 4096])
def test_a_recursion_without_end_is_survived_in_a_thread_with_a_small_stack(kibibytes: int) -> None:
    folder = __file__.rpartition("/")[0]
    command = [sys.executable, "-c", PROGRAM, folder, str(kibibytes * 1024)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "survived\n", "")


def test_a_recursion_without_end_is_survived_in_a_process_with_a_small_stack() -> None:
    program = "import sys, trio; sys.path.insert(0, sys.argv[1]); import test_small_stacks as t\n"
    program += "trio.run(t.overflow_in_every_way); print('survived')"
    command = [sys.executable, "-c", program, __file__.rpartition("/")[0]]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (400 * 1024, 400 * 1024)),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "survived\n", "")


@pytest.mark.parametrize(("kibibytes", "ample"), [(512, False), (1024, False), (2048, True)])
def test_a_thread_knows_whether_its_stack_is_ample(kibibytes: int, *, ample: bool) -> None:
    found: list[bool] = []
    usual = threading.stack_size(kibibytes * 1024)
    try:
        thread = threading.Thread(target=lambda: found.append(is_stack_ample()))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(usual)
    assert found == [ample]
