"""DAG-CBOR, byte by byte."""

import pytest

from ipvm.ipld import DAG_CBOR, Cid, InvalidEncoding, Value, check, decode, encode, links

CID = Cid.of(b"hello")
LINK = "d82a582500" + bytes(CID).hex()

SPELLED: dict[str, Value] = {
    "00": 0,
    "17": 23,
    "1818": 24,
    "18ff": 255,
    "190100": 256,
    "1a00010000": 65536,
    "1b0000000100000000": 2**32,
    "1bffffffffffffffff": 2**64 - 1,
    "20": -1,
    "37": -24,
    "3818": -25,
    "3bffffffffffffffff": -(2**64),
    "f4": False,
    "f5": True,
    "f6": None,
    "fb3ff8000000000000": 1.5,
    "fb8000000000000000": -0.0,
    "fb0000000000000001": 5e-324,
    "fb7fefffffffffffff": 1.7976931348623157e308,
    "40": b"",
    "57" + "ab" * 23: b"\xab" * 23,
    "5818" + "ab" * 24: b"\xab" * 24,
    "60": "",
    "62c3bc": "ü",
    "64f09090 91".replace(" ", ""): "𐐑",
    "7818" + "61" * 24: "a" * 24,
    "80": [],
    "820102": [1, 2],
    "9818" + "00" * 24: [0] * 24,
    "a0": {},
    "a2616102626161 01".replace(" ", ""): {"a": 2, "aa": 1},
    "a2616200626161f6": {"aa": None, "b": 0},
    LINK: CID,
    "a1616c81" + LINK: {"l": [CID]},
}

MALFORMED = {
    "an integer of 1 byte in 2": "1817",
    "an integer of 1 byte in 3": "190017",
    "an integer of 2 bytes in 3": "1900ff",
    "an integer of 3 bytes in 5": "1a0000ffff",
    "an integer of 5 bytes in 9": "1b00000000ffffffff",
    "a negative integer in too many bytes": "3817",
    "a length in too many bytes": "580161",
    "a length of text in too many bytes": "780161",
    "a length of a list in too many bytes": "980100",
    "a length of a map in too many bytes": "b801616100",
    "a reserved length": "1c",
    "a reserved length of text": "7d",
    "an indefinite length of bytes": "5f4161ff",
    "an indefinite length of text": "7f6161ff",
    "an indefinite length of a list": "9f01ff",
    "an indefinite length of a map": "bf616101ff",
    "a break": "ff",
    "undefined": "f7",
    "a simple value": "e0",
    "a simple value in 2 bytes": "f8ff",
    "false in 2 bytes": "f814",
    "a float of 16 bits": "f93e00",
    "a float of 32 bits": "fa3fc00000",
    "NaN": "fb7ff8000000000000",
    "another NaN": "fbfff0000000000001",
    "NaN of 16 bits": "f97e00",
    "infinity": "fb7ff0000000000000",
    "negative infinity": "fbfff0000000000000",
    "infinity of 16 bits": "f97c00",
    "text that is no UTF-8": "62c328",
    "text with half a surrogate pair": "63eda080",
    "text with an overlong spelling": "62c080",
    "a key that is no UTF-8": "a162c32800",
    "a key that is a number": "a10102",
    "a key that is bytes": "a1416100",
    "a key that is null": "a1f600",
    "a key that is a list": "a18000",
    "keys repeated": "a2616101616102",
    "keys not in order": "a2616201616102",
    "a longer key before a shorter one": "a262616101616202",
    "a date": "c074323031332d30332d32315432303a30343a30305a",
    "a big integer": "c249010000000000000000",
    "a big integer that is small": "c24101",
    "a decimal fraction": "c48221196ab3",
    "a shared value": "d81c80",
    "a reference to a shared value": "82d81c80d81d00",
    "a value that contains itself": "d81c81d81d00",
    "a regular expression": "d8236161",
    "a name space of strings": "d9010080",
    "a set": "d9010280",
    "self-described CBOR": "d9d9f700",
    "tag 42 in too many bytes": "d9002a5825" + LINK[8:],
    "a link of text": "d82a6161",
    "a link of nothing": "d82a40",
    "a link of a zero alone": "d82a4100",
    "a link without the zero": "d82a5824" + bytes(CID).hex(),
    "a link with another multibase": "d82a582501" + bytes(CID).hex(),
    "a link with a byte behind it": "d82a582600" + bytes(CID).hex() + "00",
    "a link that is half a CID": "d82a5100" + bytes(CID).hex()[:32],
    "a link in a link": "d82a" + LINK,
    "a length that is not the shortest in a link": "d82a59002500" + bytes(CID).hex(),
    "a tag without a value": "d82a",
    "half a tag": "d8",
    "a second value": "0000",
    "a second list": "8080",
    "half an integer": "1900",
    "half a float": "fb3ff8",
    "half of bytes": "4261",
    "half of text": "6261",
    "half a character": "61c3",
    "a list without its items": "8201",
    "a map without a value": "a16161",
    "a map without a key": "a1",
    "half a link": LINK[:40],
}


@pytest.mark.parametrize(("spelled", "value"), SPELLED.items())
def test_each_value_has_one_spelling(spelled: str, value: Value) -> None:
    data = bytes.fromhex(spelled)
    assert encode(value, DAG_CBOR) == data
    decoded = decode(data, DAG_CBOR)
    assert decoded == value
    assert type(decoded) is type(value)
    check(data, DAG_CBOR)


@pytest.mark.parametrize("spelled", MALFORMED.values(), ids=MALFORMED.keys())
def test_every_other_spelling_is_refused(spelled: str) -> None:
    for data in (bytes.fromhex(spelled), b"\x81" + bytes.fromhex(spelled)):
        for read in (decode, links, check):
            with pytest.raises(InvalidEncoding, match="not valid dag-cbor: "):
                read(data, DAG_CBOR)


def test_no_tag_but_that_of_links_is_accepted() -> None:
    for tag in [*range(42), *range(43, 300), 1004, 43000, 55799]:
        head = b"\xd9" + tag.to_bytes(2) if tag > 0xFF else bytes((0xD8, tag))
        head = bytes((0xC0 + tag,)) if tag < 24 else head
        for content in (b"\x80", b"\x00", b"\x41\x00", b"\x61a"):
            with pytest.raises(InvalidEncoding):
                check(head + content, DAG_CBOR)


@pytest.mark.parametrize("head", ["5b", "7b", "9b", "bb", "81bb", "a161619b", "d82a5b"])
@pytest.mark.parametrize("length", [2**32, 2**60, 2**64 - 1])
def test_a_length_that_lies_is_refused_before_anything_is_made_of_it(
    head: str, length: int
) -> None:
    data = bytes.fromhex(head) + length.to_bytes(8) + b"\x00\x61"
    for read in (decode, links, check):
        with pytest.raises(InvalidEncoding):
            read(data, DAG_CBOR)


def test_the_order_of_keys_in_a_value_does_not_matter() -> None:
    assert encode({"b": 1, "aa": 2, "a": 3}, DAG_CBOR) == encode(
        {"a": 3, "aa": 2, "b": 1}, DAG_CBOR
    )


def test_keys_are_compared_by_their_length_in_bytes() -> None:
    assert encode({"zz": 1, "ü": 2, "z": 3}, DAG_CBOR).hex() == "a3617a03627a7a0162c3bc02"


def test_links_are_listed_in_order_and_as_often_as_they_appear() -> None:
    other = Cid.of(b"other")
    value: Value = {"b": [other, {"c": CID}], "a": CID, "d": {"e": other, "f": [1, b"", "x", None]}}
    assert links(encode(value, DAG_CBOR), DAG_CBOR) == (CID, other, CID, other)


def test_an_error_says_where() -> None:
    with pytest.raises(InvalidEncoding, match=r"shortest form \(at byte 3\)"):
        check(bytes.fromhex("8300001817"), DAG_CBOR)
    with pytest.raises(InvalidEncoding, match=r"cut off \(at byte 2\)"):
        check(bytes.fromhex("8201"), DAG_CBOR)
