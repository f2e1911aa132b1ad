"""Every fault is refused at the byte where it shows."""

import pytest

from ipvm.wasm import InvalidModule, read_module

HEADER = b"\0asm\x01\0\0\0"
ONE_TYPE = b"\x01\x04\x01\x60\x00\x00"
ONE_FUNCTION = ONE_TYPE + b"\x03\x02\x01\x00"
START = b"\x08\x01\x00"
ONE_BODY = b"\x0a\x04\x01\x02\x00\x0b"

CASES = [
    # LEB128
    ("an integer of six bytes", b"\x01\x86\x80\x80\x80\x80\x00", 9, "too many bytes for 32 bits"),
    ("bits beyond 32", b"\x01\x86\x80\x80\x80\x10", 9, "does not fit 32 bits"),
    ("an integer cut short", b"\x01\x86\x80", 11, "unexpected end"),
    # sections
    ("a section cut short", b"\x01\x05\x01\x60\x00\x00", 10, "5 bytes expected, 4 left"),
    ("an unknown section", b"\x0e\x00", 8, "unknown section 14"),
    ("sections out of order", b"\x05\x01\x00\x02\x01\x00", 11, "the import section comes too late"),
    ("a tag section behind globals", b"\x06\x01\x00\x0d\x01\x00", 11, "the tag section comes too"),
    ("two type sections", ONE_TYPE + ONE_TYPE, 14, "the type section comes too late, or a second"),
    (
        "two starts",
        ONE_FUNCTION + START + START,
        21,
        "the start section comes too late, or a second",
    ),
    (
        "bytes behind the last type",
        b"\x01\x05\x01\x60\x00\x00\x00",
        14,
        "unused bytes at the end in the type",
    ),
    ("a custom section without a name", b"\x00\x00", 10, "unexpected end in the custom section"),
    # counts
    ("2^31 types", b"\x01\x09\x80\x80\x80\x80\x08\x60\x00\x00\x00", 10, "do not fit the 4 bytes"),
    ("too many imports", b"\x02\x02\x05\x00", 10, "5 imports do not fit the 1 bytes"),
    ("too many parameters", b"\x01\x04\x01\x60\x7f\x00", 12, "127 parameters do not fit"),
    ("functions without code", ONE_FUNCTION, 18, "1 functions are declared, and 0 have code"),
    ("code without functions", ONE_BODY, 14, "0 functions are declared, and 1 have code"),
    ("data that was announced", b"\x0c\x01\x02", 11, "2 data segments are announced, and there"),
    ("a body cut short", ONE_FUNCTION + b"\x0a\x03\x01\x05\x00", 23, "unexpected end in the code"),
    ("bodies cut short", ONE_FUNCTION + b"\x0a\x04\x02\x05\x00\x0b", 24, "unexpected end"),
    # names
    ("a name that is not UTF-8", b"\x00\x03\x02a\xff", 12, "the name of the section is not UTF-8"),
    ("a name cut short", b"\x00\x03\x08ab", 11, "8 bytes expected, 2 left"),
    # types
    ("an unknown type form", b"\x01\x04\x01\x61\x00\x00", 11, "unknown form of type 0x61"),
    ("an unknown value type", b"\x01\x05\x01\x60\x01\x40\x00", 13, "unknown value type 0x40"),
    ("a shared type", b"\x01\x05\x01\x65\x60\x00\x00", 11, "shared-everything threads"),
    ("a descriptor", b"\x01\x05\x01\x4d\x60\x00\x00", 11, "custom descriptors is not supported"),
    ("a reference to no type", b"\x01\x06\x01\x60\x01\x63\x05\x00", 14, "type 5 does not exist"),
    ("a negative type", b"\x01\x06\x01\x60\x01\x63\x40\x00", 14, "type -64 does not exist"),
    ("a mutability of 2", b"\x01\x04\x01\x5e\x7f\x02", 13, "must be 0 or 1, not 2"),
    ("a supertype ahead", b"\x01\x06\x01\x50\x01\x04\x60\x00", 13, "type 4 does not exist"),
    # what stands in an import
    ("an unknown import", b"\x02\x05\x01\x00\x00\x07\x00", 13, "unknown kind of import 0x07"),
    ("a function of no type", b"\x02\x05\x01\x00\x00\x00\x03", 14, "type 3 does not exist"),
    ("a function of a struct", b"\x01\x03\x01\x5f\x00\x02\x05\x01\x00\x00\x00\x00", 19, "not that"),
    (
        "a table of numbers",
        b"\x02\x07\x01\x00\x00\x01\x7f\x00\x00",
        14,
        "holds references, not i32",
    ),
    ("unknown flags", b"\x02\x06\x01\x00\x00\x02\x10\x00", 14, "unknown flags 0x10 of bounds"),
    ("a shared table", b"\x02\x07\x01\x00\x00\x01\x70\x02\x00", 15, "unknown flags 0x02 of bounds"),
    ("bounds upside down", b"\x05\x04\x01\x01\x02\x01", 11, "the minimum 2 is above the maximum 1"),
    ("more pages than addresses", b"\x05\x05\x01\x00\x81\x80\x04", 11, "larger than its addresses"),
    ("shared without maximum", b"\x05\x03\x01\x02\x01", 11, "a shared memory needs a maximum"),
    ("an odd page size", b"\x05\x04\x01\x08\x01\x05", 13, "the page size must be 1 or 65536"),
    (
        "an attribute of a tag",
        ONE_TYPE + b"\x0d\x03\x01\x01\x00",
        17,
        "attribute of a tag must be 0",
    ),
    # functions, tables and globals
    ("a function type ahead", ONE_TYPE + b"\x03\x02\x01\x01", 17, "type 1 does not exist"),
    ("a table of another form", b"\x04\x07\x01\x40\x01\x70\x00\x00\x0b", 11, "form of a table"),
    ("a call in a constant", b"\x06\x06\x01\x7f\x00\x10\x00\x0b", 13, "0x10 …) is not constant"),
    ("a vector sum in a constant", b"\x06\x06\x01\x7b\x00\xfd\x6e\x0b", 13, "is not constant"),
    ("a constant without end", b"\x06\x05\x01\x7f\x00\x41\x00", 15, "unexpected end in the global"),
    ("an i32 of 33 bits", b"\x06\x09\x01\x7f\x00\x41\xff\xff\xff\xff\x0f", 14, "not fit 32 bits"),
    ("an i32 of six bytes", b"\x06\x09\x01\x7f\x00\x41\x80\x80\x80\x80\x80", 14, "too many"),
    # exports and start
    ("a start that is missing", START, 10, "function 0 does not exist"),
    ("an export of no function", b"\x07\x05\x01\x01a\x00\x00", 14, "function 0 does not exist"),
    ("an export of no global", b"\x07\x05\x01\x01a\x03\x09", 14, "global 9 does not exist"),
    ("an unknown export", b"\x07\x05\x01\x01a\x05\x00", 13, "unknown kind of export 0x05"),
    (
        "one name for two exports",
        b"\x05\x03\x01\x00\x01\x07\x09\x02\x01a\x02\x00\x01a\x02\x00",
        20,
        "a second export named 'a'",
    ),
    (
        "a start with a parameter",
        b"\x01\x05\x01\x60\x01\x7f\x00\x03\x02\x01\x00\x08\x01\x00",
        21,
        "the start function must be func () -> (), not func (i32) -> ()",
    ),
]


@pytest.mark.parametrize(
    ("contents", "offset", "problem"),
    [pytest.param(*case, id=name) for name, *case in CASES],
)
def test_a_malformed_module_is_refused_at_the_byte(
    contents: bytes, offset: int, problem: str
) -> None:
    with pytest.raises(InvalidModule) as caught:
        read_module(HEADER + contents)
    assert problem in str(caught.value)
    assert f"(at byte {offset})" in str(caught.value)
    assert caught.value.offset == offset


def test_each_prefix_of_a_module_is_refused_or_ends_between_two_sections(
    modules: dict[str, bytes],
) -> None:
    data = modules["plain"]
    whole = read_module(data)
    ends = {section.end for section in whole.sections} | {len(HEADER)}
    for size in range(len(data)):
        try:
            read_module(data[:size])
        except InvalidModule:
            continue
        assert size in ends
