"""The fixed modules of WASI as text: the mail, and for each guest a stub and a binding.

They stand beside a guest as those of the other host calls do (see `ipvm.host.companions`): the guest
imports the stub, whose table the binding fills once the guest's memory exists. The functions of the
binding follow from what each call takes (`calls.py`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ipvm.host.wasi.calls import FIRST_OPERATION, WASI_CALLS, WASI_MODULE, WasiCall

__all__ = ["BUFFER", "MAIL_BYTES", "binding_text", "mail_text", "stub_text"]

BUFFER: Final = 4096
"""Where the bytes of the mail begin."""
_ROOM: Final = 16 * 1024 * 1024
_MOVED: Final = 1024 * 1024
"""Bytes that a guest can read or write by one call; see `window.READ_BYTES_MAX`."""
_PATH: Final = 65_536
_CHANCE: Final = 65_536
_SUBSCRIPTIONS: Final = 4096
_PAGES: Final = _ROOM // 65_536 + 1
MAIL_BYTES: Final = _PAGES * 65_536


def mail_text() -> str:
    """Give the module of the mail, of which a program has one."""
    return f'(module (memory (export "memory") {_PAGES} {_PAGES}))\n'


def stub_text() -> str:
    """Give the module that a guest imports."""
    size = len(WASI_CALLS)
    functions = "\n".join(_stub_function(slot, call) for slot, call in enumerate(WASI_CALLS))
    return f'(module (table (export "table") {size} {size} funcref)\n{functions})\n'


def _stub_function(slot: int, call: WasiCall) -> str:
    values = " ".join(f"(local.get {index})" for index in range(len(call.type.params)))
    type_ = _type(call)
    return (
        f'(func (export "{WASI_MODULE}.{call.name}") {type_} '
        f"(call_indirect {type_} {values} (i32.const {slot})))"
    )


def _type(call: WasiCall) -> str:
    params = "".join(f" {width}" for width in call.type.params)
    results = "".join(f" {width}" for width in call.type.results)
    return f"(param{params}) (result{results})"


def binding_text() -> str:
    """Give the module that works on the memory of a guest."""
    size = len(WASI_CALLS)
    fields = Path(__file__).with_name("binding.wat").read_text("utf-8")
    names = " ".join(f"${call.name}" for call in WASI_CALLS)
    functions = [
        _Function(slot, call).text()
        for slot, call in enumerate(WASI_CALLS)
        if f"(func ${call.name} " not in fields
    ]
    return f"""(module
  (import "mail" "memory" (memory $k {_PAGES} {_PAGES}))
  (import "host" "now" (func $now (param i32) (result i32)))
  (import "kernel" "wait_for" (func $wait (param i32) (result i32)))
  (import "guest" "memory" (memory $g 0))
  (import "stub" "table" (table $stub {size} {size} funcref))
  (elem (table $stub) (i32.const 0) func {names})
{fields}
{"".join(functions)})
"""


class _Function:
    """Writes the function of one call: what is checked and taken, the question, what is given."""

    def __init__(self, slot: int, call: WasiCall) -> None:
        self._call = call
        self._operation = FIRST_OPERATION + slot
        self._local = 0
        self._words = 0
        self._before: list[str] = []
        self._after: list[str] = []
        self._paths: list[str] = []
        self._answered = 0

    def text(self) -> str:
        """Give the function."""
        for kind in self._call.takes:
            _WRITERS[kind](self)
        ask = f"(local.set $errno (call $ask (i32.const {self._operation})))"
        ask += "(if (local.get $errno) (then (return (local.get $errno))))"
        body = "\n    ".join([*self._before, ask, *self._after, "(i32.const 0)"])
        if self._call.name == "proc_exit":
            body = (
                f"{self._before[0]} (drop (call $now (i32.const {self._operation}))) (unreachable)"
            )
        return f"""
  (func ${self._call.name} {_type(self._call)} (local $errno i32) (local $n i32)
    {body})
"""

    def _take(self) -> str:
        value = f"(local.get {self._local})"
        self._local += 1
        return value

    def _word(self, value: str) -> None:
        self._before.append(f"(i64.store $k (i32.const {self._words * 8}) {value})")
        self._words += 1

    def _word32(self, value: str) -> None:
        self._word(f"(i64.extend_i32_u {value})")

    def _unless(self, condition: str, errno: int) -> None:
        self._before.append(f"(if {condition} (then (return (i32.const {errno}))))")

    def i32(self) -> None:
        self._word32(self._take())

    def i64(self) -> None:
        self._word(self._take())

    def path(self) -> None:
        at, size = self._take(), self._take()
        self._unless(f"(call $outside {at} {size})", 21)
        self._unless(f"(i32.gt_u {size} (i32.const {_PATH}))", 37)
        to = f"(i32.const {BUFFER})"
        for before in self._paths:
            to = f"(i32.add {to} {before})"
        self._before.append(f"(memory.copy $k $g {to} {at} {size})")
        self._paths.append(size)
        self._word32(size)

    def gather(self) -> None:
        self._buffers(f"(i32.const {_MOVED}) (i32.const 0)")

    def scatter(self) -> None:
        vectors = self._buffers(f"(i32.const {_MOVED}) (i32.const 2)")
        self._after.append(f"(drop (call $move {vectors} (call $given) (i32.const 1)))")

    def _buffers(self, how: str) -> str:
        vectors = f"{self._take()} {self._take()}"
        self._before.append(
            f"(local.set $errno (call $unusable {vectors}))"
            "(if (local.get $errno) (then (return (local.get $errno))))"
        )
        self._word32(f"(call $move {vectors} {how})")
        return vectors

    def room(self) -> None:
        at, size = self._take(), self._take()
        self._unless(f"(call $outside {at} {size})", 21)
        if self._call.name == "fd_readdir":  # less than there is room for says that nothing follows
            self._unless(f"(i32.gt_u {size} (i32.const {_MOVED}))", 28)
        self._word32(f"(call $least {size} (i32.const {_ROOM}))")
        self._after.append(f"(memory.copy $g $k {at} (i32.const {BUFFER}) (call $given))")

    def chance(self) -> None:
        at, size = self._take(), self._take()
        self._unless(f"(call $outside {at} {size})", 21)
        self._before.append(f"""(loop $more
      (local.set $n (call $least (i32.const {_CHANCE}) {size}))
      (i64.store $k (i32.const 0) (i64.extend_i32_u (local.get $n)))
      (drop (call $ask (i32.const {self._operation})))
      (memory.copy $g $k {at} (i32.const {BUFFER}) (local.get $n))
      (local.set 0 (i32.add {at} (local.get $n)))
      (local.set 1 (i32.sub {size} (local.get $n)))
      (br_if $more {size}))
    (return (i32.const 0))""")

    def strings(self) -> None:
        pointers, to = self._take(), self._take()
        count = "(i32.load $k (i32.const 72))"
        self._after.append(f"(return (call $strings {pointers} {to} {count}))")

    def poll(self) -> None:
        asked, to, count = self._take(), self._take(), self._take()
        self._unless(f"(i32.gt_u {count} (i32.const {_SUBSCRIPTIONS}))", 28)
        size = f"(i32.mul {count} (i32.const 48))"
        self._unless(f"(call $outside {asked} {size})", 21)
        self._unless(f"(call $outside {to} (i32.shl {count} (i32.const 5)))", 21)
        self._before.append(f"(memory.copy $k $g (i32.const {BUFFER}) {asked} {size})")
        self._word32(count)
        self._after.append(f"(memory.copy $g $k {to} (i32.const {BUFFER}) (call $given))")

    def count(self) -> None:
        to = self._take()
        self._unless(f"(call $outside {to} (i32.const 4))", 21)
        number = "(call $given)"
        if self._call.name == "poll_oneoff":
            number = f"(i32.shr_u {number} (i32.const 5))"
        self._after.append(f"(i32.store $g {to} {number})")

    def out(self, size: int) -> None:
        to = self._take()
        self._unless(f"(call $outside {to} (i32.const {size}))", 21)
        at = f"(i32.const {BUFFER + self._answered})"
        self._after.append(f"(memory.copy $g $k {to} {at} (i32.const {size}))")
        self._answered += size


_WRITERS: Final[dict[str, Callable[[_Function], None]]] = {
    "i32": _Function.i32,
    "i64": _Function.i64,
    "path": _Function.path,
    "gather": _Function.gather,
    "scatter": _Function.scatter,
    "room": _Function.room,
    "chance": _Function.chance,
    "strings": _Function.strings,
    "poll": _Function.poll,
    "count": _Function.count,
    "out4": lambda function: function.out(4),
    "out8": lambda function: function.out(8),
    "out24": lambda function: function.out(24),
    "out64": lambda function: function.out(64),
}
