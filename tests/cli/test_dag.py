"""`ipvm dag`, with paths into values and across links."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ipvm.ipld import DAG_JSON, Cid

if TYPE_CHECKING:
    from tests.cli.conftest import Ipvm


@pytest.fixture
def leaf(ipvm: "Ipvm") -> str:
    return ipvm("dag", "put", given=b'{"items": [1, 2.0, "three"], "": 4}').line


@pytest.fixture
def tree(ipvm: "Ipvm", leaf: str) -> str:
    return ipvm("dag", "put", given=f'{{"a": [{{"/": "{leaf}"}}]}}'.encode()).line


def test_a_value_comes_back_in_its_one_form(ipvm: "Ipvm") -> None:
    cid = ipvm("dag", "put", given=b' {"b": 1.0,\n "a": {"/": {"bytes": "AP8"}}}').line
    assert ipvm("dag", "get", cid).text == '{"a":{"/":{"bytes":"AP8"}},"b":1.0}\n'
    assert ipvm("dag", "put", given=b'{"a":{"/":{"bytes":"AP8"}},"b":1.0}').line == cid


@pytest.mark.parametrize(
    ("path", "printed"),
    [
        ("/a/0/items/2", '"three"'),
        ("/a/0/items", '[1,2.0,"three"]'),
        ("/a/0/items/1/", "2.0"),
    ],
)
def test_a_path_leads_into_values_and_across_links(
    ipvm: "Ipvm", tree: str, path: str, printed: str
) -> None:
    for scheme in ("", "ipfs://", "/ipfs/"):
        assert ipvm("dag", "get", f"{scheme}{tree}{path}").text == f"{printed}\n"


def test_a_link_at_the_end_is_followed_behind_a_slash(ipvm: "Ipvm", tree: str, leaf: str) -> None:
    assert ipvm("dag", "get", f"{tree}/a/0").text == f'{{"/":"{leaf}"}}\n'
    assert ipvm("dag", "get", f"{tree}/a/0/").text == '{"":4,"items":[1,2.0,"three"]}\n'
    assert ipvm("dag", "get", f"{tree}/a/0/", "--json").record["cid"] == leaf
    assert ipvm("dag", "get", f"{tree}/").code == 0


@pytest.mark.parametrize(
    ("path", "code", "told"),
    [
        ("/b", 3, 'no "b" in {}; it has "a"'),
        ("/a/1", 3, 'no item "1" in {}/a; it is a list of 1'),
        ("/a/00", 3, 'no item "00"'),
        ("/a/-1", 3, 'no item "-1"'),
        ("/a/0/items/0/x", 3, "which is neither a map nor a list"),
        ("//a", 4, "without a name"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(
    ipvm: "Ipvm", tree: str, path: str, code: int, told: str
) -> None:
    ended = ipvm("dag", "get", tree + path)
    assert (ended.code, ended.text) == (code, "")
    assert told.format(tree) in ended.errors


@pytest.mark.parametrize("text", ["", "x/a", "/", "bafy", "b" * 5000])
def test_a_path_begins_with_a_cid(ipvm: "Ipvm", text: str) -> None:
    ended = ipvm("dag", "get", text)
    assert ended.code == 4
    assert "Traceback" not in ended.errors


def test_a_link_to_what_is_not_here_is_told(ipvm: "Ipvm") -> None:
    absent = Cid.of(b"absent")
    root = ipvm("dag", "put", given=f'{{"/": "{absent}"}}'.encode()).line
    assert ipvm("dag", "get", root).text == f'{{"/":"{absent}"}}\n'
    assert ipvm("dag", "get", f"{root}/x").code == 3


def test_codecs_are_chosen_in_both_directions(ipvm: "Ipvm") -> None:
    cid = ipvm("dag", "put", "--input-codec", "dag-cbor", "--codec", "dag-json", given=b"\x01").line
    assert cid == str(Cid.of(b"1", codec=DAG_JSON))
    assert ipvm("dag", "get", cid, "--codec", "dag-cbor").output == b"\x01"
    raw = ipvm("dag", "put", "--codec", "raw", given=b'{"/":{"bytes":"AP8"}}').line
    assert ipvm("dag", "get", raw, "--codec", "raw").output == b"\x00\xff"
    assert ipvm("dag", "get", cid, "--codec", "raw").code == 4


def test_a_value_that_json_cannot_say_is_written_otherwise(ipvm: "Ipvm") -> None:
    # {"/": "x"} is reserved in DAG-JSON, and a map like any other in DAG-CBOR.
    cid = ipvm("block", "put", "--codec", "dag-cbor", given=b"\xa1\x61/\x61x").line
    for words in ([], ["--json"]):
        value = ipvm("dag", "get", cid, *words)
        assert value.code == 4
        assert "--codec dag-cbor" in value.errors
    assert ipvm("dag", "get", cid, "--codec", "dag-cbor").output == b"\xa1\x61/\x61x"


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b"\xff", b"[" * 100_000, b'{"/": "x"}'])
def test_what_is_no_dag_json_is_refused(ipvm: "Ipvm", text: bytes) -> None:
    ended = ipvm("dag", "put", given=text)
    assert (ended.code, ended.text) == (4, "")
    assert "not valid dag-json" in ended.errors


def test_the_records_of_the_commands(ipvm: "Ipvm", is_documented: Callable[[object], bool]) -> None:
    put = ipvm("dag", "put", "--json", given=b'{"answer": 42}').record
    assert is_documented(put)
    got = ipvm("dag", "get", f"{put['cid']}/answer", "--json").record
    assert is_documented(got)
    assert got["value"] == 42
