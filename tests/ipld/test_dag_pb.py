"""DAG-PB, field by field."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ipvm.ipld import DAG_PB, Cid, InvalidEncoding, Value, check, decode, encode, links

CID = Cid.of(b"", hash_code=0)  # 01 55 00 00
HASH = "0a0401550000"
LINK = f"1206{HASH}"
EMPTY: Value = {"Links": [{"Hash": CID}]}

SPELLED: dict[str, Value] = {
    "": {"Links": []},
    "0a00": {"Data": b"", "Links": []},
    LINK: EMPTY,
    f"{LINK}0a0161": {"Data": b"a", "Links": [{"Hash": CID}]},
    f"1208{HASH}1200": {"Links": [{"Hash": CID, "Name": ""}]},
    f"120a{HASH}1202c3bc": {"Links": [{"Hash": CID, "Name": "ü"}]},
    f"1208{HASH}1800": {"Links": [{"Hash": CID, "Tsize": 0}]},
    f"1211{HASH}18ffffffffffffffffff01": {"Links": [{"Hash": CID, "Tsize": 2**64 - 1}]},
    f"120b{HASH}1201611805": {"Links": [{"Hash": CID, "Name": "a", "Tsize": 5}]},
}

MALFORMED = {
    "an unknown field of a node": "1a00",
    "a known field of another wire type": "0801",
    "links of another wire type": "1001",
    "half a tag": "92",
    "Data without a length": "0a",
    "Data that is cut off": "0a0561",
    "Data with a padded length": "0a810061",
    "Data with a length that lies": "0affffffffffffffff7f",
    "Data twice": "0a000a00",
    "Data between links": f"{LINK}0a00{LINK}",
    "Data on both sides of links": f"0a00{LINK}0a00",
    "a link that is cut off": LINK[:-2],
    "a link of nothing": "1200",
    "a link without a Hash": "12021200",
    "a Name before the Hash": f"12081200{HASH}",
    "a Tsize before the Name": f"120a{HASH}18001200",
    "a Hash twice": f"120c{HASH}{HASH}",
    "a Name twice": f"120a{HASH}12001200",
    "a Tsize twice": f"120a{HASH}18001800",
    "an unknown field of a link": f"1208{HASH}2000",
    "a Hash of nothing": "12020a00",
    "a Hash that is no CID": "12050a03015500",
    "a Hash with a byte behind it": "12070a050155000000",
    "a Name that is no UTF-8": f"120a{HASH}1202c328",
    "a Name that is cut off": f"1209{HASH}120261",
    "a Tsize that is cut off": f"1208{HASH}1880",
    "a padded Tsize": f"1209{HASH}188000",
    "a Tsize of 65 bits": f"1211{HASH}18ffffffffffffffffff02",
}


def names() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@st.composite
def nodes(draw: st.DrawFn) -> Value:
    found: list[dict[str, Any]] = draw(
        st.lists(
            st.fixed_dictionaries(
                {"Hash": st.from_type(Cid)},
                optional={"Name": names(), "Tsize": st.integers(0, 2**64 - 1)},
            ),
            max_size=5,
        )
    )
    found.sort(key=lambda link: link.get("Name", "").encode())
    node: dict[str, Value] = {"Links": [*found]}
    if draw(st.booleans()):
        node["Data"] = draw(st.binary(max_size=20))
    return node


@given(nodes())
def test_a_node_comes_back_and_its_links_with_it(node: Value) -> None:
    data = encode(node, DAG_PB)
    assert decode(data, DAG_PB) == node
    assert encode(decode(data, DAG_PB), DAG_PB) == data
    assert isinstance(node, dict)
    assert isinstance(found := node["Links"], list)
    assert list(links(data, DAG_PB)) == [link["Hash"] for link in found if isinstance(link, dict)]


@pytest.mark.parametrize(("spelled", "value"), SPELLED.items())
def test_each_node_is_written_in_one_way(spelled: str, value: Value) -> None:
    assert encode(value, DAG_PB).hex() == spelled
    assert decode(bytes.fromhex(spelled), DAG_PB) == value


@pytest.mark.parametrize("spelled", MALFORMED.values(), ids=MALFORMED.keys())
def test_bytes_that_are_no_node_are_refused(spelled: str) -> None:
    for read in (decode, links, check):
        with pytest.raises(InvalidEncoding, match="not valid dag-pb: "):
            read(bytes.fromhex(spelled), DAG_PB)


def test_data_before_the_links_is_read_because_it_exists() -> None:
    data = bytes.fromhex(f"0a0161{LINK}{LINK}")
    assert decode(data, DAG_PB) == {"Data": b"a", "Links": [{"Hash": CID}, {"Hash": CID}]}


def test_links_that_are_not_sorted_are_read_as_they_are_and_not_written() -> None:
    data = bytes.fromhex(f"1209{HASH}1201621209{HASH}120161")
    node = decode(data, DAG_PB)
    assert node == {"Links": [{"Hash": CID, "Name": "b"}, {"Hash": CID, "Name": "a"}]}
    with pytest.raises(InvalidEncoding, match="not sorted by name"):
        encode(node, DAG_PB)


def test_links_of_one_name_keep_their_order() -> None:
    other = Cid.of(b"a", hash_code=0)
    for pair in ([CID, other], [other, CID]):
        node: Value = {"Links": [{"Hash": cid, "Name": "same"} for cid in pair]}
        assert list(links(encode(node, DAG_PB), DAG_PB)) == pair


@pytest.mark.parametrize(
    "link",
    [
        {"Hash": CID, "Name": "\ud800"},
        {"Hash": CID, "Tsize": 2**64},
        {"Hash": CID, "Tsize": True},
        {"Hash": CID, "Size": 1},
        {"Hash": bytes(CID)},
        {"Hash": CID, "Name": b"a"},
    ],
)
def test_a_link_of_another_form_is_not_written(link: dict[str, Value]) -> None:
    with pytest.raises(InvalidEncoding):
        encode({"Links": [link]}, DAG_PB)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_node_or_refused(data: bytes) -> None:
    with suppress(InvalidEncoding):
        check(data, DAG_PB)
