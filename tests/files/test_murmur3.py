"""The hash of names is the one that others use."""

import pytest

from ipvm.files.murmur3 import murmur3_64

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
