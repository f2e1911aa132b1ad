"""A module that is too large is refused before it costs much."""

import pytest
from wasmtime import wat2wasm

from ipvm.errors import LimitExceeded
from ipvm.limits import Limits
from ipvm.wasm import read_module


def _two_of_each() -> bytes:
    text = '(module (import "a" "b" (func)) (import "a" "c" (func)) (func) (func nop nop))'
    return bytes(wat2wasm(text))


@pytest.mark.parametrize(
    ("limit", "found"),
    [
        ("module_imports_max", 2),
        ("module_functions_max", 2),
        ("function_bytes_max", 4),
        ("module_bytes_max", len(_two_of_each())),
        ("module_entries_max", 7),
    ],
)
def test_a_limit_is_met_at_its_value_and_refused_below_it(limit: str, found: int) -> None:
    data = _two_of_each()
    assert read_module(data, limits=Limits(**{limit: found})).size == len(data)
    with pytest.raises(LimitExceeded, match="--limit") as caught:
        read_module(data, limits=Limits(**{limit: found - 1}))
    assert (caught.value.limit, caught.value.maximum) == (limit, found - 1)
    assert caught.value.found == found


def test_names_and_parameters_are_bounded_as_in_the_engine() -> None:
    def named(size: int) -> bytes:
        return bytes(wat2wasm(f'(module (import "a" "{"x" * size}" (func)))'))

    def taking(count: int) -> bytes:
        return bytes(wat2wasm(f"(module (type (func (param {'i32 ' * count}))))"))

    assert read_module(named(100_000)).imports
    with pytest.raises(LimitExceeded, match="module_name_bytes_max is 100000"):
        read_module(named(100_001))
    assert read_module(taking(1000)).sections
    with pytest.raises(LimitExceeded, match="function_parameters_max is 1000"):
        read_module(taking(1001))
