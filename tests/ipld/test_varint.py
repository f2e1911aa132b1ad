"""Unsigned varints."""

import pytest
from hypothesis import given, strategies as st

from ipvm.ipld import varint

SPELLED = {0: "00", 1: "01", 127: "7f", 128: "8001", 255: "ff01", 300: "ac02", 16384: "808001"}


@pytest.mark.parametrize(("number", "spelled"), SPELLED.items())
def test_a_number_has_seven_bits_a_byte_lowest_first(number: int, spelled: str) -> None:
    assert varint.write(number).hex() == spelled
    assert varint.read(bytes.fromhex(spelled)) == (number, len(spelled) // 2)


@given(st.integers(min_value=0, max_value=2**63 - 1), st.binary(max_size=4))
def test_what_is_written_is_read_at_any_offset(number: int, other: bytes) -> None:
    spelled = varint.write(number)
    assert varint.read(other + spelled + other, len(other)) == (number, len(other) + len(spelled))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut off"),
        (b"\x80", "cut off"),
        (b"\xff" * 8, "cut off"),
        (b"\x80\x00", "shortest"),
        (b"\xff\x80\x00", "shortest"),
        (b"\xff" * 9 + b"\x01", "longer than 9 bytes"),
        (b"\xff" * 100_000, "longer than 9 bytes"),
    ],
)
def test_a_varint_that_is_cut_off_or_padded_or_too_long_is_refused(
    data: bytes, reason: str
) -> None:
    with pytest.raises(varint.InvalidVarint, match=reason):
        varint.read(data)


def test_the_longest_spelling_is_what_the_caller_says() -> None:
    number = 2**64 - 1
    assert varint.read(varint.write(number), bytes_max=10) == (number, 10)
    with pytest.raises(varint.InvalidVarint):
        varint.read(varint.write(number))
