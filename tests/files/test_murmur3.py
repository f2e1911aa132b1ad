"""The hash of names is the one that others use."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ipvm.files.murmur3 import murmur3_64, murmur3_64_each

VECTORS = [
    (b"", 0x0),
    (b"hello", 0xCBD8A7B341BD9B02),
    (b"hello, world", 0x342FAC623A5EBC8E),
    (b"19 Jan 2038 at 3:14:07 AM", 0xB89E5988B737AFFC),
    (b"The quick brown fox jumps over the lazy dog.", 0xCD99481F9EE902C9),
]
"""From the tests of the Go implementation that Kubo uses (github.com/spaolacci/murmur3)."""


@pytest.mark.parametrize(("data", "expected"), VECTORS)
def test_the_hash_is_that_of_the_reference(data: bytes, expected: int) -> None:
    assert murmur3_64(data) == expected


@given(st.lists(st.binary(max_size=70), max_size=30))
def test_together_names_hash_as_they_do_alone(names: list[bytes]) -> None:
    assert murmur3_64_each(names) == [murmur3_64(name) for name in names]


def test_more_names_are_hashed_than_fit_into_one_number() -> None:
    alone = dict(VECTORS)
    names = [data for data, _ in VECTORS] * 200
    assert murmur3_64_each(names) == [alone[name] for name in names]
