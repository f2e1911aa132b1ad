"""DAG-JSON, letter by letter."""

import pytest

from ipvm.ipld import DAG_CBOR, DAG_JSON, Cid, InvalidEncoding, Value, decode, encode, links

CID = Cid.of(b"hello")
OLD = Cid(CID.digest, codec=0x70, version=0)

SPELLED: dict[str, Value] = {
    "null": None,
    "true": True,
    "0": 0,
    "-1": -1,
    "18446744073709551615": 2**64 - 1,
    "-18446744073709551616": -(2**64),
    "1.0": 1.0,
    "-0.0": -0.0,
    "0.1": 0.1,
    "0.0001": 0.0001,
    "0.00001": 0.00001,
    "0.000001234": 0.000001234,
    "-0.000001": -0.000001,
    "1e-7": 1e-7,
    "1.5e-7": 1.5e-7,
    "-8.940696716308594e-8": -8.940696716308594e-8,
    "5e-324": 5e-324,
    "123456789012345680.0": 123456789012345680.0,
    "100000000000000000000.0": 1e20,
    "-120000000000000000000.0": -1.2e20,
    "1e+21": 1e21,
    "1.7976931348623157e+308": 1.7976931348623157e308,
    '""': "",
    '"\\"\\\\\\n\\t\\u0000\x7f/ü𐐑"': '"\\\n\t\0\x7f/ü𐐑',
    '{"/":{"bytes":""}}': b"",
    '{"/":{"bytes":"AQ"}}': b"\x01",
    '{"/":{"bytes":"+/8"}}': b"\xfb\xff",
    f'{{"/":"{CID}"}}': CID,
    f'{{"/":"{OLD}"}}': OLD,
    "[]": [],
    "[1,[2,{}]]": [1, [2, {}]],
    '{"":0,"a":1,"aa":2,"b":3,"ü":4,"𐐑":5}': {"𐐑": 5, "ü": 4, "b": 3, "aa": 2, "a": 1, "": 0},
}

MALFORMED = [
    "",
    " ",
    "nul",
    "NaN",
    "Infinity",
    "-Infinity",
    "[NaN]",
    "1e999",
    "-1e999",
    "01",
    "+1",
    "1.",
    ".5",
    "0x1",
    "1_000",
    "18446744073709551616",
    "-18446744073709551617",
    "9" * 100_000,
    '"a',
    '"\n"',
    '"\\x"',
    '"\\ud800"',
    '"\\uDFFFa"',
    '{"\\ud800":1}',
    "'a'",
    "[1,]",
    "[1",
    "[",
    '{"a":1,}',
    "{a:1}",
    "{1:1}",
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":1}',
    "1 2",
    "[] []",
    "\ufeff1",
    "// one\n1",
    '{"/":"hello"}',
    '{"/":""}',
    f'{{"/":"ipfs://{CID}"}}',
    '{"/":"f0155122' + "00" * 33 + '"}',
    '{"/":"B' + str(CID)[1:].upper() + '"}',
    '{"/":{"bytes":"AQ=="}}',
    '{"/":{"bytes":"AR"}}',
    '{"/":{"bytes":"A"}}',
    '{"/":{"bytes":"-_8"}}',
    '{"/":{"bytes":"A Q"}}',
    '{"/":{"bytes":"ü"}}',
]

RESERVED: list[Value] = [
    {"/": "foo"},
    {"/": "foo", "bar": "baz"},
    {"/": str(CID), "bar": "baz"},
    {"/": {"bytes": "foo"}},
    {"/": {"bytes": "foo", "x": 1}},
    {"/": {"bytes": "foo"}, "bar": 1},
]

NOT_RESERVED: list[Value] = [
    {"/": True, "bar": "baz"},
    {"/": None},
    {"/": {}},
    {"/": ["foo"]},
    {"!": 1, "/": "foo"},
    {"!": 1, "/": {"bytes": "foo"}},
    {"/": {"abar": "baz", "bytes": "foo"}},
    {"/": {"bytes": True}, "bar": "baz"},
    {"/": {"bytes": b"foo"}},
    {"/": {"/": {"bytes": None}}},
    {"/": CID},
    {"/": b"foo"},
    {"/": {"/": [CID, b"foo"]}},
    {"bytes": "foo"},
    {"//": "foo"},
]


@pytest.mark.parametrize(("spelled", "value"), SPELLED.items())
def test_each_value_is_written_in_one_way(spelled: str, value: Value) -> None:
    assert encode(value, DAG_JSON).decode() == spelled
    decoded = decode(spelled.encode(), DAG_JSON)
    assert decoded == value
    assert type(decoded) is type(value)


def test_whitespace_and_the_order_of_keys_are_free_when_reading() -> None:
    text = f' {{ "b" : [ 1 ,\t2 ] ,\r\n"a" : {{ "/" : "{CID}" }} , "\\u0063": 1E2 }}\n'
    assert decode(text.encode(), DAG_JSON) == {"a": CID, "b": [1, 2], "c": 100.0}


@pytest.mark.parametrize("spelled", MALFORMED, ids=lambda text: text[:30])
def test_text_that_is_not_dag_json_is_refused(spelled: str) -> None:
    for read in (decode, links):
        with pytest.raises(InvalidEncoding, match="not valid dag-json: "):
            read(spelled.encode(), DAG_JSON)


@pytest.mark.parametrize(
    "data", [b"\xff", b'"\xc3\x28"', b'"\xed\xa0\x80"', '"a"'.encode("utf-16")]
)
def test_bytes_that_are_no_utf_8_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidEncoding):
        decode(data, DAG_JSON)


def test_a_whole_surrogate_pair_may_be_escaped() -> None:
    assert decode(rb'"\ud801\uDC11"', DAG_JSON) == "𐐑"


@pytest.mark.parametrize("value", RESERVED, ids=repr)
def test_a_map_that_looks_like_a_link_or_bytes_is_not_written(value: Value) -> None:
    for holder in (value, [value], {"a": value}):
        with pytest.raises(InvalidEncoding, match="reserved"):
            encode(holder, DAG_JSON)
        assert decode(encode(holder, DAG_CBOR), DAG_CBOR) == holder


@pytest.mark.parametrize(
    "text",
    [
        '{"/":"foo","bar":"baz"}',
        '{"bar":"baz","/":"foo"}',
        f'{{"/":"{CID}","bar":"baz"}}',
        '{"/":{"bytes":"eA","x":1}}',
        '{"/":{"x":1,"bytes":"eA"}}',
        '{"/":{"bytes":"eA"},"bar":1}',
    ],
)
def test_a_map_that_begins_like_a_link_or_bytes_is_not_read(text: str) -> None:
    with pytest.raises(InvalidEncoding, match="reserved"):
        decode(text.encode(), DAG_JSON)


@pytest.mark.parametrize("value", NOT_RESERVED, ids=repr)
def test_any_other_map_with_a_slash_is_a_map(value: Value) -> None:
    assert decode(encode(value, DAG_JSON), DAG_JSON) == value


def test_links_are_listed_in_order_and_as_often_as_they_appear() -> None:
    text = f'{{"b":[{{"/":"{CID}"}},{{"/":"{OLD}"}}],"a":{{"/":"{CID}"}},"c":[1,"x"]}}'
    assert links(text.encode(), DAG_JSON) == (CID, OLD, CID)


@pytest.mark.parametrize(
    "bomb",
    [
        b'["' + b'\\"' * 1_000_000,
        b"[" * 200 + b'"' + b'\\"' * 1_000_000,
        b"[" * 200 + b'"\\' * 500_000,
        b"[]" * 500_000,
        b"[1." + b"1" * 2_000_000 + b"e999]",
        b"[-" + b"1" * 2_000_000 + b"]",
        b'{"/":"' + b"z" * 2_000_000 + b'"}',
        b'{"/":{"bytes":"' + b"=" * 2_000_000 + b'"}}',
    ],
    ids=lambda bomb: repr(bomb[:8]),
)
def test_text_made_to_take_long_is_refused_at_once(bomb: bytes) -> None:
    with pytest.raises(InvalidEncoding):
        decode(bomb, DAG_JSON)
