"""Real programs: unchanged C, built for WASI, and guests that try to get out."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from ipvm.engine import Trap, text_to_module
from ipvm.errors import LimitExceeded
from ipvm.host.wasi.calls import WASI_CALLS, WASI_MODULE
from ipvm.host.wasi.errno import Errno
from ipvm.host.wasi.origin import GivenFile, GivenFolder
from ipvm.host.wasi.process import Mount

if TYPE_CHECKING:
    from tests.host.wasi.conftest import Entries, Ran

Run: TypeAlias = "Callable[..., Awaitable[Ran]]"
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def tour(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pytest.importorskip("ziglang", reason="ziglang, which builds C for WASI, is not installed")
    built = tmp_path_factory.mktemp("c") / "tour.wasm"
    source = HERE / "tour.c"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-Os", "-s"]
    subprocess.run([*command, source, "-o", built], check=True, timeout=300, env={**os.environ})
    return built.read_bytes()


async def test_a_c_program_finds_its_files_as_on_a_disk(
    tour: bytes, run: "Run", tree: "Callable[[Entries], GivenFolder]"
) -> None:
    big = b"some line of text\n" * 200_000
    given = tree({"a": {"big.txt": big}, "b": {}, "out": "../../etc", "c": b"1"})

    def go() -> "Awaitable[Ran]":
        return run(
            tour,
            arguments=(b"prog", b"x y"),
            environ={b"HOME": b"/h"},
            stdin=GivenFile(b"abc"),
            mounts=[Mount(path=b"/inputs", origin=given, read_only=True), Mount(path=b"/outputs")],
        )

    ran = await go()
    assert ran.stdout.decode().splitlines() == [
        "args prog x y HOME=/h",
        "3600000 bytes 200000 lines",
        "[. 3][.. 3][a 3][b 3][c 4][out 7]",
        "-1 Operation not permitted",
        "-1 Operation not permitted",
        "size 14",
        "slept 5 at 946684800",
        "49ab483a584ab590",
        "stdin 3",
    ]
    assert (bytes(ran.stderr), ran.code) == (b"bye\n", 7)
    again = await go()
    assert (again.stdout, again.fuel) == (ran.stdout, ran.fuel)


def guest(body: str, data: str = "") -> bytes:
    """A guest that imports everything; `$errno` is what it ends with."""
    imports = "\n".join(
        f'(import "{WASI_MODULE}" "{call.name}" (func ${call.name} '
        f"(param {' '.join(call.type.params)}) (result {' '.join(call.type.results)})))"
        for call in WASI_CALLS
    )
    return text_to_module(f"""(module {imports} (memory (export "memory") 2 2) {data}
      (func (export "_start") (local $errno i32) (local $n i32)
        {body}
        (call $proc_exit (local.get $errno))))""")


def numbers(name: str, value: int) -> str:
    call = next(each for each in WASI_CALLS if each.name == name)
    return " ".join(f"({kind}.const {value})" for kind in call.type.params)


@pytest.mark.parametrize("name", [c.name for c in WASI_CALLS if c.name != "proc_exit"])
@pytest.mark.parametrize("value", [0, 1, 3, 131_071, 131_072, -1, -8, 2**31 - 1])
async def test_any_numbers_get_an_answer(run: "Run", name: str, value: int) -> None:
    code = guest(f"(local.set $errno (call ${name} {numbers(name, value)}))")
    try:
        ran = await run(code, mounts=[Mount(path=b"/")])
    except LimitExceeded:
        assert name in {"fd_allocate", "fd_filestat_set_size"}
        return
    assert ran.code < 128 + 31
    if value == -1 and name not in {"proc_raise", "sched_yield"}:
        assert ran.code in {Errno.BADF, Errno.FAULT, Errno.INVAL, Errno.NAMETOOLONG}


async def test_buffers_that_overwrite_themselves_end_the_guest_at_worst(run: "Run") -> None:
    # The first buffer covers the second one's pointer, which then leads out of memory.
    buffers = (
        '(data (i32.const 0) "\\08\\00\\00\\00\\08\\00\\00\\00\\00\\01\\00\\00\\08\\00\\00\\00")'
    )
    code = guest(
        "(local.set $errno (call $fd_read (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 64)))",
        buffers,
    )
    with pytest.raises(Trap):
        await run(code, stdin=GivenFile(b"\xff" * 16))


async def test_a_guest_that_writes_without_end_meets_a_limit(run: "Run") -> None:
    opened = """(call $path_open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 1)
      (i32.const 1) (i64.const -1) (i64.const 0) (i32.const 0) (i32.const 40))"""
    body = f"""(local.set $errno {opened})
      (if (local.get $errno) (then (unreachable)))
      (loop $on
        (local.set $errno
          (call $fd_write (i32.load (i32.const 40)) (i32.const 0) (i32.const 1) (i32.const 48)))
        (br_if $on (i32.eqz (local.get $errno))))"""
    code = guest(
        body, '(data (i32.const 0) "\\00\\00\\00\\00\\00\\00\\02\\00") (data (i32.const 32) "f")'
    )
    with pytest.raises(LimitExceeded) as met:
        await run(code, mounts=[Mount(path=b"/")], written_bytes_max=3_000_000)
    assert met.value.limit == "made_bytes_max"


async def test_a_call_takes_as_much_fuel_where_it_has_to_wait(run: "Run") -> None:
    read = "(drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64)))"
    buffers = '(data (i32.const 0) "\\60\\00\\00\\00\\01\\00\\00\\00")'
    spent = [
        (await run(guest(read * count, buffers), stdin=GivenFile(b"abc"))).fuel
        for count in range(4)
    ]
    assert spent[1] - spent[0] == spent[2] - spent[1] == spent[3] - spent[2]


async def test_sleeping_takes_no_time(run: "Run") -> None:
    # A subscription to clock 1, for 2**60 nanoseconds.
    asked = '(data (i32.const 24) "\\00\\00\\00\\00\\00\\00\\00\\10") (data (i32.const 16) "\\01")'
    code = guest(
        """(local.set $errno
             (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 96)))
           (if (i32.ne (i32.load (i32.const 96)) (i32.const 1)) (then (unreachable)))
           (if (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 104))
             (then (unreachable)))
           (if (i64.ne (i64.load (i32.const 104)) (i64.const 0x10000000000003e8))
             (then (unreachable)))""",
        asked,
    )
    assert (await run(code)).code == 0
