"""Text in some base, held against `multiformats`."""

import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st
from multiformats import multibase as reference

from ipvm.ipld import multibase

OURS = ["base16", "base16upper", "base32", "base32upper", "base36", "base36upper", "base58btc"]
THEIRS = ["base2", "base10", "base32hex", "base32z", "base58flickr", "base64", "base64url"]


@pytest.mark.parametrize("base", OURS + THEIRS)
@given(data=st.binary(max_size=80))
def test_every_base_is_read_as_the_reference_writes_it(base: str, data: bytes) -> None:
    assert multibase.decode(reference.encode(data, base)) == data


@given(st.binary(max_size=80))
def test_bases_32_and_58_are_written_as_the_reference_does(data: bytes) -> None:
    assert "b" + multibase.base32(data) == reference.encode(data, "base32")
    assert "z" + multibase.base58(data) == reference.encode(data, "base58btc")
    assert multibase.decode_base58(multibase.base58(data)) == data


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "\ud800",
        "b_aa",
        "b aa",
        "b+aa",
        "bé",
        "bAA",  # another case than the prefix says
        "BAa",
        "b1",
        "ba",  # five bits, no byte
        "bab",  # bits set behind the last byte
        "baaa",  # a letter more than the bytes need
        "f0",
        "fAA",
        "z0",
        "zO",
        "k_",
        "mAR",  # bits set behind the last byte
        "mAQ==",
        "mA",
        "0101",  # base 2 in less than whole bytes
        "🚀🪐",
    ],
)
def test_text_that_is_no_spelling_in_its_base_is_refused(text: str) -> None:
    with pytest.raises(multibase.InvalidMultibase):
        multibase.decode(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(multibase.InvalidMultibase):
        multibase.decode(text)


def test_every_base_of_the_reference_is_known_by_its_first_letter() -> None:
    known = {base.code for base in reference.table()}
    assert known == {*multibase._RARE_PREFIXES, *multibase._BITS, *multibase._NUMBERS}


def test_text_with_another_first_letter_is_refused_without_the_reference() -> None:
    program = """
import sys
from ipvm.ipld import multibase
try:
    multibase.decode("wasi_snapshot_preview1")
except multibase.InvalidMultibase:
    print("multiformats" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"False\n"
