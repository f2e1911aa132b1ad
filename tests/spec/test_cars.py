"""CARs of the spec: they are read, refused and written as it says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ipvm.errors import InvalidData
from ipvm.ipld import CODECS, DAG_JSON, HASHES, Block, Cid, decode
from ipvm.store import Memory
from ipvm.store.car import CarReader, InvalidCar, export_dag, import_car

VECTORS = Path(__file__).parents[2] / "spec" / "vectors"
Json = dict[str, Any]
Hold = Callable[[Json], None]


def vector_named(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", [pytest.param(VECTORS / f"{name}.json", id=name)])


@vector_named("car/read")
def test_a_car_is_read_as_the_spec_says(vector: Json, hold: Hold) -> None:
    cases = []
    for case in vector["cases"]:
        reader = CarReader()
        sections = list(reader.feed(bytes.fromhex(case["bytes"])))
        reader.finish()
        blocks = [(Block(cid, data), offset) for cid, data, offset in sections]
        found = {
            "version": reader.version,
            "roots": [str(root) for root in reader.roots or ()],
            "blocks": [
                {"offset": offset, "cid": str(block.cid), "content": block.data.hex()}
                for block, offset in blocks
            ],
        }
        cases.append(case | found)
    hold({"cases": cases})


@vector_named("car/refused")
async def test_what_is_no_car_is_refused_at_the_place_that_the_spec_says(
    vector: Json, hold: Hold
) -> None:
    cases = []
    for case in vector["cases"]:
        left = [bytes.fromhex(case["bytes"]), b""]

        async def read(_size: int, left: list[bytes] = left) -> bytes:
            return left.pop(0)

        with pytest.raises(InvalidData) as refused:
            await import_car(read, Memory())
        assert isinstance(refused.value, InvalidCar)
        cases.append(case | {"offset": refused.value.offset, "good": refused.value.blocks})
    hold({"cases": cases})


@vector_named("car/written")
async def test_a_car_is_written_as_the_spec_says(vector: Json, hold: Hold) -> None:
    cases = []
    for case in vector["cases"]:
        named: dict[str, Cid] = {}
        store = Memory()
        for name, given in case["content"].items():
            block = made(given, named)
            named[name] = block.cid
            await store.put(block)
        car = bytearray()

        async def write(data: bytes, car: bytearray = car) -> None:
            car.extend(data)

        await export_dag(named[case["root"]], store, write)
        cids = [cid for cid, _, _ in CarReader().feed(bytes(car))]
        names = {cid: name for name, cid in named.items()}
        cases.append(case | {"order": [names[cid] for cid in cids], "bytes": car.hex()})
    hold({"cases": cases})


def made(given: Json, named: dict[str, Cid]) -> Block:
    """A block of a vector; in its value, names of others stand for links."""
    text = json.dumps(given["value"])
    for name, cid in named.items():
        text = text.replace(f'{{"/": "{name}"}}', f'{{"/": "{cid}"}}')
    hash_code = HASHES[given.get("hash", "sha2-256")]
    value = decode(text.encode(), DAG_JSON)
    return Block.encode(value, codec=CODECS[given["codec"]], hash_code=hash_code)
