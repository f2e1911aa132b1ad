"""Content of the spec: CIDs, codecs and files are read, written and refused as it says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ipvm.files import file_blocks
from ipvm.ipld import (
    CODECS,
    DAG_JSON,
    HASHES,
    Block,
    BlockMismatch,
    Cid,
    InvalidCid,
    InvalidEncoding,
    Value,
    decode,
    encode,
)

VECTORS = Path(__file__).parents[2] / "spec" / "vectors"
Json = dict[str, Any]
Hold = Callable[[Json], None]


def vector_named(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", [pytest.param(VECTORS / f"{name}.json", id=name)])


def value_of(written: object) -> Value:
    return decode(json.dumps(written).encode(), DAG_JSON)


@vector_named("cid/content")
def test_content_has_the_cid_that_the_spec_says(vector: Json, hold: Hold) -> None:
    cases = []
    for case in vector["cases"]:
        data, codec = bytes.fromhex(case["content"]), CODECS[case["codec"]]
        cid = Cid.of(data, codec=codec, hash_code=HASHES[case["hash"]])
        cases.append({**case, "bytes": bytes(cid).hex(), "cid": str(cid)})
    hold({"cases": cases})


@vector_named("cid/spellings")
def test_a_cid_is_read_in_any_base_and_written_in_one(vector: Json, hold: Hold) -> None:
    cids = [Cid.parse(case["text"]) for case in vector["cases"]]
    hold(
        {
            "cases": [
                {**case, "bytes": bytes(cid).hex(), "cid": str(cid)}
                for case, cid in zip(vector["cases"], cids, strict=True)
            ]
        }
    )


@vector_named("cid/invalid")
def test_what_is_no_cid_is_refused(vector: Json) -> None:
    for case in vector["cases"]:
        with pytest.raises(InvalidCid):
            Cid.parse(case["text"]) if "text" in case else Cid.decode(bytes.fromhex(case["bytes"]))


@vector_named("cid/verify")
def test_content_is_verified_as_the_spec_says(vector: Json, hold: Hold) -> None:
    hold({"cases": [{**case, "matches": matches(case)} for case in vector["cases"]]})


def matches(case: Json) -> bool:
    try:
        Block(Cid.parse(case["cid"]), bytes.fromhex(case["content"]))
    except BlockMismatch:
        return False
    return True


@pytest.mark.parametrize("path", sorted((VECTORS / "codec").glob("*.json")), ids=lambda p: p.stem)
def test_a_codec_writes_reads_and_refuses_what_the_spec_says(vector: Json, hold: Hold) -> None:
    codec = CODECS[vector["codec"]]
    written = [
        {**case, "bytes": encode(value_of(case["value"]), codec).hex()}
        for case in vector["written"]
    ]
    for case in written:
        assert decode(bytes.fromhex(case["bytes"]), codec) == value_of(case["value"])
    read = []
    for case in vector["read"]:
        value = decode(bytes.fromhex(case["bytes"]), codec)
        read.append({**case, "value": json.loads(encode(value, DAG_JSON))})
    for case in vector["refused"]:
        with pytest.raises(InvalidEncoding):
            decode(bytes.fromhex(case["bytes"]), codec)
    hold({"written": written, "read": read})


@vector_named("unixfs/files")
def test_a_file_is_cut_as_the_spec_says(vector: Json, hold: Hold) -> None:
    cases = []
    for case in vector["cases"]:
        length = case["length"]
        content = (bytes(range(251)) * (length // 251 + 1))[:length]
        cid, blocks = file_blocks(content)
        case |= {"cid": str(cid), "blocks": [str(block.cid) for block in blocks]}
        cases.append(case | ({"root": blocks[-1].data.hex()} if len(blocks) > 1 else {}))
    hold({"cases": cases})
