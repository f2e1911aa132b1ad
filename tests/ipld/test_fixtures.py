"""The fixtures that all implementations of the codecs share."""

import base64
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from ipvm.ipld import (
    DAG_CBOR,
    DAG_JSON,
    DAG_PB,
    Block,
    Cid,
    InvalidEncoding,
    Value,
    check,
    codec_name,
    decode,
    encode,
    links,
)

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
Fixtures: TypeAlias = dict[str, dict[int, tuple[Cid, bytes]]]
Negatives: TypeAlias = dict[str, list[dict[str, Any]]]


def test_there_are_fixtures_for_each_codec(fixtures: Fixtures) -> None:
    for codec, least in {DAG_CBOR: 120, DAG_JSON: 120, DAG_PB: 15}.items():
        assert sum(codec in blocks for blocks in fixtures.values()) >= least, codec_name(codec)


def test_each_file_matches_the_cid_in_its_name(fixtures: Fixtures) -> None:
    for name, blocks in fixtures.items():
        for cid, data in blocks.values():
            assert Block(cid, data).cid == cid, name
            assert Block.of(data, codec=cid.codec).cid == cid, name


def test_each_value_is_written_as_it_was_read(fixtures: Fixtures) -> None:
    for name, blocks in fixtures.items():
        for cid, data in blocks.values():
            check(data, cid.codec)
            assert encode(decode(data, cid.codec), cid.codec) == data, name


def test_all_codecs_say_the_same_value(fixtures: Fixtures) -> None:
    for name, blocks in fixtures.items():
        values = [decode(data, codec) for codec, (_, data) in blocks.items()]
        for codec, (_, data) in blocks.items():
            assert [encode(value, codec) for value in values] == [data] * len(values), name


def test_links_are_those_of_the_value(fixtures: Fixtures) -> None:
    for name, blocks in fixtures.items():
        for codec, (_, data) in blocks.items():
            assert sorted(links(data, codec)) == sorted(cids_in(decode(data, codec))), name


def cids_in(value: Value) -> list[Cid]:
    if isinstance(value, dict):
        return [cid for item in value.values() for cid in cids_in(item)]
    if isinstance(value, list):
        return [cid for item in value for cid in cids_in(item)]
    return [value] if isinstance(value, Cid) else []


@pytest.mark.parametrize("codec", [DAG_CBOR, DAG_JSON, DAG_PB], ids=codec_name)
@pytest.mark.parametrize("read", [decode, links, check])
def test_what_must_not_be_read_is_refused(
    negatives: Negatives, codec: int, read: Callable[[bytes, int], object]
) -> None:
    cases = negatives[f"{codec_name(codec)}/decode"]
    assert cases
    for case in cases:
        with pytest.raises(InvalidEncoding) as caught:
            read(bytes.fromhex(case["hex"]), codec)
        assert caught.value.codec == codec_name(codec), case["name"]


def test_what_must_not_be_written_is_refused(negatives: Negatives) -> None:
    cases = [case["dag-json"] for case in negatives["dag-pb/encode"]]
    assert len(cases) > 50
    for case in cases:
        with pytest.raises(InvalidEncoding):
            encode(as_value(case), DAG_PB)


def as_value(parsed: Json) -> Value:
    """Turn parsed JSON into the value that it says, by hand, so that no codec of ours helps."""
    if isinstance(parsed, list):
        return [as_value(item) for item in parsed]
    if not isinstance(parsed, dict):
        return parsed
    match parsed:
        case {"/": str(text)}:
            return Cid.parse(text)
        case {"/": {"bytes": str(text)}}:
            return base64.b64decode(text + "==")
        case _:
            return {key: as_value(item) for key, item in parsed.items()}
