"""Records of the spec: each has the bytes and the CID that it says, and the others are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ipvm.errors import InvalidData
from ipvm.ipld import CODECS, DAG_CBOR, DAG_JSON, Block, decode, encode
from ipvm.model import Invocation, Manifest, Receipt

VECTORS = Path(__file__).parents[2] / "spec" / "vectors"
RECORDS: dict[str, type[Manifest | Invocation | Receipt]] = {
    "manifest": Manifest,
    "invocation": Invocation,
    "receipt": Receipt,
}
Json = dict[str, Any]
Hold = Callable[[Json], None]


def paths(*, valid: bool) -> list[Any]:
    found = [path for folder in RECORDS for path in sorted((VECTORS / folder).glob("*.json"))]
    return [
        pytest.param(path, id=f"{path.parent.name}/{path.stem}")
        for path in found
        if (path.stem != "invalid") is valid
    ]


def given(case: Json) -> Block:
    """The block of a case: its bytes, its text, or its value in DAG-CBOR."""
    codec = CODECS[case.get("codec", "dag-cbor")]
    if "text" in case:
        return Block.of(case["text"].encode(), codec=codec)
    if "value" in case:
        return Block.encode(decode(json.dumps(case["value"]).encode(), DAG_JSON), codec=codec)
    return Block.of(bytes.fromhex(case["bytes"]), codec=codec)


@pytest.mark.parametrize("path", paths(valid=True))
def test_a_record_has_the_bytes_that_the_spec_says(path: Path, vector: Json, hold: Hold) -> None:
    block = given(vector)
    record = RECORDS[path.parent.name].from_block(block)
    outcome = {"cid": str(block.cid)}
    if block.cid.codec == DAG_CBOR:
        assert record.to_block() == block
        outcome = {"bytes": block.data.hex(), **outcome}
    else:
        outcome = {"value": json.loads(encode(record.to_value(), DAG_JSON)), **outcome}
    hold(outcome)


@pytest.mark.parametrize("path", paths(valid=False))
def test_what_is_no_record_is_refused_with_its_path(path: Path, vector: Json, hold: Hold) -> None:
    cases = []
    for case in vector["cases"]:
        with pytest.raises(InvalidData) as refused:
            RECORDS[path.parent.name].from_block(given(case))
        cases.append({**case, "path": getattr(refused.value, "path", None)})
    hold({"cases": cases})
