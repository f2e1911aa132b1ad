"""The codec fixtures of other implementations, and how hypothesis makes up a CID."""

import json
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import strategies as st

from ipvm.ipld import CODECS, DAG_CBOR, DAG_PB, RAW, SHA2_256, SHA2_512, Cid

Fixtures: TypeAlias = dict[str, dict[int, tuple[Cid, bytes]]]


def cids() -> st.SearchStrategy[Cid]:
    """CIDs of both versions, over codecs and hashes that are known, and some that are not."""
    digests = st.binary(min_size=32, max_size=32)
    first = st.builds(
        Cid,
        digests,
        codec=st.sampled_from([RAW, DAG_PB, DAG_CBOR, 0x72, 0xB201]),
        hash_code=st.sampled_from([SHA2_256, SHA2_512, 0x1B, 0x1052]),
    )
    zeroth = st.builds(Cid, digests, codec=st.just(DAG_PB), version=st.just(0))
    return first | zeroth | st.builds(Cid, st.binary(max_size=8), hash_code=st.just(0))


st.register_type_strategy(Cid, cids())


@pytest.fixture(scope="session")
def fixtures(vectors: Path) -> Fixtures:
    """For each value its blocks by codec; the name of each file is the CID of what is in it."""
    found: Fixtures = {}
    for path in sorted((vectors / "codec-fixtures" / "fixtures").glob("*/*.*")):
        codec = CODECS[path.suffix[1:]]
        found.setdefault(path.parent.name, {})[codec] = Cid.parse(path.stem), path.read_bytes()
    return found


@pytest.fixture(scope="session")
def negatives(vectors: Path) -> dict[str, list[dict[str, Any]]]:
    """What must be refused, by codec and direction (`dag-pb/encode`)."""
    root = vectors / "codec-fixtures" / "negative-fixtures"
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(root.glob("*/*/*.json")):
        found.setdefault(str(path.parent.relative_to(root)), []).extend(
            json.loads(path.read_text())
        )
    return found
