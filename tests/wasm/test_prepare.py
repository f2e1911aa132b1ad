"""What the rewritten module does in the engine."""

import pytest
import wasmtime
from wasmtime import wat2wasm

from ipvm.wasm import InvalidModule, prepare, read_module

CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"

TRAPPING = """
(module $old
  (func $inner unreachable)
  (func $outer (call $inner))
  (export "outer" (func $outer)))
"""

COUNTING = """
(module
  (memory 1)
  {exports}
  (func $init (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 42))))
  (func $get (result i32) (i32.load (i32.const 0)))
  (start $init)
  (elem declare func $get)
  (data (i32.const 8) "x"))
"""


def wasm(text: str) -> bytes:
    return bytes(wat2wasm(text))


def prepared(data: bytes) -> bytes:
    return prepare(data, read_module(data), module_name=CID)


def custom(name: bytes, contents: bytes) -> bytes:
    section = bytes([len(name)]) + name + contents
    return b"\x00" + bytes([len(section)]) + section


class Guest:
    """An instance without imports."""

    def __init__(self, data: bytes) -> None:
        self.store = wasmtime.Store()
        module = wasmtime.Module(self.store.engine, data)
        self.exports = wasmtime.Instance(self.store, module, []).exports(self.store)

    def call(self, name: str) -> object:
        function = self.exports[name]
        assert isinstance(function, wasmtime.Func)
        return function(self.store)


def frames(data: bytes) -> list[tuple[str | None, str | None]]:
    with pytest.raises(wasmtime.Trap) as caught:
        Guest(data).call("outer")
    return [(frame.module_name, frame.func_name) for frame in caught.value.frames]


def test_traps_show_the_new_module_name_and_the_old_function_names() -> None:
    assert frames(wasm(TRAPPING)) == [("old", "inner"), ("old", "outer")]
    assert frames(prepared(wasm(TRAPPING))) == [(CID, "inner"), (CID, "outer")]


def test_a_module_without_names_gets_the_module_name() -> None:
    nameless = wasm('(module (func unreachable) (func (export "outer") (call 0)))')
    assert frames(prepared(nameless)) == [(CID, None), (CID, None)]


@pytest.mark.parametrize(
    ("contents", "name"),
    [
        (b"\x00\x04\x03old\x01\x08\x01\x00\x05first", "first"),
        (b"\x01\x08\x01\x00\x05first\x00\x04\x03old", "first"),
        (b"\x00\x04\x03old\x01\x08\x01\x00\x05first\x00\x04\x03old", "first"),
        (b"\x00\x04\x03old\x01\x7f\x01\x00\x05first", None),
        (b"\x00\xff\xff\xff\xff\xff", None),
        (b"\x01\x02\x7f\x00", None),
        (b"\x00\x00" * 200, None),
    ],
)
def test_no_name_section_can_claim_another_module_name(contents: bytes, name: str | None) -> None:
    nameless = wasm('(module (func (export "outer") unreachable))')
    section = custom(b"name", contents) if len(contents) < 100 else b""
    for data in (
        nameless + section,
        nameless[:8] + section + nameless[8:],
        nameless + section + custom(b"name", b"\x00\x05\x04fake"),
    ):
        shown = frames(prepared(data))
        assert shown[0][0] == CID
    assert frames(prepared(nameless + section)) == [(CID, name)]


def test_the_start_function_runs_when_it_is_called_and_not_before() -> None:
    data = wasm(COUNTING.format(exports='(export "get" (func $get))'))
    assert Guest(data).call("get") == 42
    guest = Guest(prepared(data))
    assert guest.call("get") == 0
    guest.call("ipvm:start")
    assert guest.call("get") == 42


def test_the_start_export_comes_last_and_takes_the_place_of_the_start_section() -> None:
    before = read_module(wasm(COUNTING.format(exports='(export "get" (func $get))')))
    data = prepared(wasm(COUNTING.format(exports='(export "get" (func $get))')))
    after = read_module(data)
    assert [export.name for export in after.exports] == ["get", "ipvm:start"]
    assert after.exports[-1].index == before.start
    assert after.start is None
    assert [section.id for section in after.sections] == [1, 3, 5, 7, 9, 10, 11, 0]


def test_an_export_section_is_made_where_there_is_none() -> None:
    data = prepared(wasm(COUNTING.format(exports="")))
    assert [section.id for section in read_module(data).sections] == [1, 3, 5, 7, 9, 10, 11, 0]
    Guest(data).call("ipvm:start")


def test_an_imported_start_function_is_exported_too() -> None:
    data = prepared(wasm('(module (import "a" "b" (func)) (start 0))'))
    (export,) = read_module(data).exports
    assert (export.name, export.index) == ("ipvm:start", 0)
    wasmtime.Module.validate(wasmtime.Engine(), data)


def test_the_128th_export_makes_the_count_two_bytes_long() -> None:
    exports = "".join(f'(export "e{index}" (func $get))' for index in range(127))
    data = prepared(wasm(COUNTING.format(exports=exports)))
    assert len(read_module(data).exports) == 128
    Guest(data).call("ipvm:start")


@pytest.mark.parametrize("start", ["", "(start 0)"])
def test_a_module_that_took_the_name_of_the_start_export_is_refused(start: str) -> None:
    data = wasm(f'(module (func (export "ipvm:start")) {start})')
    with pytest.raises(InvalidModule, match="ipvm:start"):
        prepared(data)


def test_all_other_bytes_are_kept(modules: dict[str, bytes], engine: wasmtime.Engine) -> None:
    for data in modules.values():
        before, rewritten = read_module(data), prepared(data)
        after = read_module(rewritten)
        wasmtime.Module.validate(engine, rewritten)
        touched = {7, 8} if before.start is not None else set()
        kept = [
            [
                binary[section.offset : section.end]
                for section in info.sections
                if section.id not in touched and binary[section.offset :][:5] != b"\x04name"
            ]
            for binary, info in ((data, before), (rewritten, after))
        ]
        assert kept[0] == kept[1]


def test_preparing_twice_changes_nothing_more(modules: dict[str, bytes]) -> None:
    once = prepared(modules["wide"])
    assert prepared(once) == once
