"""What all codecs have in common."""

from collections.abc import Callable

import multiformats
import pytest

from ipvm.ipld import (
    CODECS,
    DAG_CBOR,
    DAG_JSON,
    DAG_PB,
    RAW,
    InvalidEncoding,
    Value,
    check,
    codec_name,
    decode,
    encode,
    links,
)
from ipvm.limits import BLOCK_BYTES_MAX, IPLD_DEPTH_MAX

UNKNOWN = 0x0201
GENERAL = [DAG_CBOR, DAG_JSON]


def nested(depth: int, innermost: Value) -> Value:
    """A value inside so many lists and maps."""
    value = innermost
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def test_codecs_are_named_as_in_the_multicodec_table() -> None:
    for name, code in CODECS.items():
        assert multiformats.multicodec.get(code=code).name == name == codec_name(code)
    assert codec_name(UNKNOWN) == "0x201"


def test_a_raw_block_says_its_own_bytes() -> None:
    assert encode(b"hello", RAW) == b"hello" == decode(b"hello", RAW)
    assert links(b"hello", RAW) == ()
    check(b"hello", RAW)
    with pytest.raises(InvalidEncoding, match="not valid raw: a raw block is bytes, not str"):
        encode("hello", RAW)


@pytest.mark.parametrize("read", [decode, links, check])
def test_a_codec_that_is_not_known_reads_nothing(read: Callable[[bytes, int], object]) -> None:
    with pytest.raises(InvalidEncoding, match="0x201: the codec is not known here") as caught:
        read(b"", UNKNOWN)
    assert caught.value.codec == "0x201"


def test_a_codec_that_is_not_known_writes_nothing() -> None:
    with pytest.raises(InvalidEncoding, match="not known here"):
        encode(None, UNKNOWN)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
@pytest.mark.parametrize("read", [decode, links, check])
def test_more_than_a_block_is_not_read(read: Callable[[bytes, int], object], codec: int) -> None:
    with pytest.raises(InvalidEncoding, match="4194305 bytes exceed 4194304"):
        read(bytes(BLOCK_BYTES_MAX + 1), codec)


@pytest.mark.parametrize("codec", GENERAL, ids=codec_name)
@pytest.mark.parametrize("innermost", [[], {}, [1], b"bytes", "]" * 9, '"{' * 9])
def test_a_value_nests_as_deep_as_the_bound_and_no_deeper(codec: int, innermost: Value) -> None:
    depth = IPLD_DEPTH_MAX - isinstance(innermost, (list, dict))
    deepest = encode(nested(depth, innermost), codec)
    assert decode(deepest, codec) == nested(depth, innermost)
    check(deepest, codec)
    with pytest.raises(InvalidEncoding, match="nest deeper than 128"):
        encode(nested(depth + 1, innermost), codec)


@pytest.mark.parametrize(
    ("codec", "opened", "closed"),
    [
        (DAG_CBOR, b"\x81", b""),
        (DAG_CBOR, b"\xa1\x61\x61", b""),
        (DAG_JSON, b"[", b"]"),
        (DAG_JSON, b'{"a":', b"}"),
        (DAG_JSON, b'{"a":[', b"]}"),
    ],
)
@pytest.mark.parametrize("depth", [129, 100_000])
@pytest.mark.parametrize("read", [decode, links, check])
def test_bytes_that_nest_deeper_are_refused(
    codec: int, opened: bytes, closed: bytes, depth: int, read: Callable[[bytes, int], object]
) -> None:
    one = b"\x01" if codec == DAG_CBOR else b"1"
    with pytest.raises(InvalidEncoding, match="nest deeper than 128"):
        read(opened * depth + one + closed * depth, codec)
    with pytest.raises(InvalidEncoding):
        read(opened * depth, codec)


def test_bytes_do_not_count_as_maps_in_dag_json() -> None:
    deepest = b"[" * 128 + b'{"/":{"bytes":"eA"}}' + b"]" * 128
    assert links(deepest, DAG_JSON) == ()
    for innermost in (b"[]", b"{}", b'{"a":{}}', b'{"a":1}'):
        with pytest.raises(InvalidEncoding, match="nest deeper than 128"):
            decode(b"[" * 128 + innermost + b"]" * 128, DAG_JSON)


@pytest.mark.parametrize("codec", GENERAL, ids=codec_name)
@pytest.mark.parametrize("number", [0, -1, 23, 24, 2**53, 2**63, 2**64 - 1, -(2**63), -(2**64)])
def test_integers_reach_to_64_bits_and_a_sign(codec: int, number: int) -> None:
    assert decode(encode(number, codec), codec) == number


@pytest.mark.parametrize("codec", GENERAL, ids=codec_name)
@pytest.mark.parametrize(
    "value",
    [
        2**64,
        -(2**64) - 1,
        float("nan"),
        float("inf"),
        float("-inf"),
        "\ud800",
        {"\udfff": 1},
        {1: 2},
        {"a": 1, 2: 3},
        {None: 1},
        {"/": {"bytes": "a", 1: 2}},
        {"/": 1, None: 2},
        (1, 2),
        {1, 2},
        bytearray(b"a"),
        memoryview(b"a"),
        object(),
        1 + 2j,
        type("Int", (int,), {})(1),
        type("Text", (str,), {})("a"),
        type("Map", (dict,), {})(),
    ],
    ids=repr,
)
def test_what_is_not_of_the_data_model_is_not_written(codec: int, value: Value) -> None:
    for holder in (value, [value], {"a": value}):
        with pytest.raises(InvalidEncoding) as caught:
            encode(holder, codec)
        assert caught.value.codec == codec_name(codec)


@pytest.mark.parametrize("codec", GENERAL, ids=codec_name)
def test_a_value_that_contains_itself_is_not_written(codec: int) -> None:
    value: list[Value] = []
    value.append({"again": value})
    with pytest.raises(InvalidEncoding, match="nest deeper"):
        encode(value, codec)


@pytest.mark.parametrize("codec", [*GENERAL, DAG_PB], ids=codec_name)
def test_nothing_is_no_value_except_of_dag_pb(codec: int) -> None:
    if codec == DAG_PB:
        assert decode(b"", codec) == {"Links": []}
        return
    with pytest.raises(InvalidEncoding):
        decode(b"", codec)
