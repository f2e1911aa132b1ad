"""The table of host calls, which the spec prints, says what the WebAssembly of the kernel does."""

from ipvm.host import HOST_CALLS, HOST_MODULES, ErrorNumber, companion_bytes, host_call
from ipvm.wasm import FuncType, ValType, read_module, read_names

ELEMENT = 9


def small_numbers(name: str, section_id: int) -> list[int]:
    """The bytes of a section of a companion that holds no number above 127."""
    data = companion_bytes(name)
    (section,) = [each for each in read_module(data).sections if each.id == section_id]
    numbers = list(data[section.offset : section.end])
    assert max(numbers) < 128
    return numbers


def test_the_binding_fills_the_stub_s_table_in_the_order_of_the_host_calls() -> None:
    info = read_module(companion_bytes("binding"))
    names = read_names(companion_bytes("binding"), info)
    elements = small_numbers("binding", ELEMENT)  # one segment, with the indices at its end
    *_, count = elements[: -len(HOST_CALLS)]
    indices = elements[-len(HOST_CALLS) :]
    assert count == len(HOST_CALLS)
    assert [names.get(index) for index in indices] == [call.name for call in HOST_CALLS]


def test_the_stub_exports_each_host_call_with_its_type() -> None:
    info = read_module(companion_bytes("stub"))
    for call in HOST_CALLS:
        export = info.export(f"{call.module}.{call.name}")
        assert export is not None
        assert export.type == call.type
    assert len(info.exports) == len(HOST_CALLS) + 1


def test_the_stub_s_table_has_room_for_the_host_calls_and_nothing_else() -> None:
    (table,) = read_module(companion_bytes("stub")).tables
    assert (table.bounds.minimum, table.bounds.maximum) == (len(HOST_CALLS), len(HOST_CALLS))


def test_a_guest_can_reach_nothing_of_the_kernel() -> None:
    """What a guest imports are the functions of a stub; none of the other exports has a name."""
    kernel, stub = (read_module(companion_bytes(name)) for name in ("kernel", "stub"))
    names = {export.name for export in kernel.exports} - {export.name for export in stub.exports}
    assert names == {"memory", "wait", "wait_for"}
    assert {"kernel", "host", "stub", "guest"}.isdisjoint(HOST_MODULES)
    assert frozenset({"ipld", "ipvm"}) == HOST_MODULES


def test_the_companions_are_the_same_bytes_each_time() -> None:
    for name in ("kernel", "stub", "binding"):
        assert companion_bytes(name) == companion_bytes.__wrapped__(name)


def test_each_host_call_is_found_by_its_names_only() -> None:
    for call in HOST_CALLS:
        assert host_call(call.module, call.name) is call
        assert host_call(call.module, call.name + "x") is None
    assert host_call("ipvm", "block_open") is None


def test_each_host_call_returns_an_error_number_and_says_which() -> None:
    for call in HOST_CALLS:
        assert call.type.results == (ValType("i32"),)
        assert ErrorNumber.OK not in call.errors
        assert len(set(call.errors)) == len(call.errors)
        assert sorted(call.errors) == list(call.errors)
        assert call.doc.endswith(".")


def test_a_host_call_with_an_out_pointer_takes_it_first() -> None:
    for call in HOST_CALLS:
        assert (call.parameters[0].name == "out") == bool(call.out)


def test_the_calls_of_the_filecoin_vm_have_its_types() -> None:
    """From `sdk/src/sys/ipld.rs`: an out-pointer first, then the arguments as they stand there."""
    expected = {
        "block_open": "i32 i32",
        "block_create": "i32 i64 i32 i32",
        "block_read": "i32 i32 i32 i32 i32",
        "block_stat": "i32 i32",
        "block_link": "i32 i32 i64 i32 i32 i32",
    }
    found = {call.name: " ".join(call.type.params) for call in HOST_CALLS if call.module == "ipld"}
    assert found == expected
    assert isinstance(HOST_CALLS[0].type, FuncType)
