"""Programs of the spec: they link as it says, and each call comes to what it says."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import ipvm
from ipvm.engine import text_to_module
from ipvm.host import CompanionName, companion_bytes, companion_text
from ipvm.ipld import CODECS, DAG_JSON, Block, Cid, Value, decode, encode
from ipvm.model import Manifest
from ipvm.node import Node
from ipvm.runtime import kernel_cid
from ipvm.store import Memory

VECTORS = Path(__file__).parents[2] / "spec" / "vectors"
Json = dict[str, Any]
Hold = Callable[[Json], None]


COMPANIONS: Final[dict[str, CompanionName]] = {
    "kernel": "kernel",
    "stub": "stub",
    "binding": "binding",
}


def paths(folder: str) -> list[Any]:
    found = sorted((VECTORS / folder).glob("*.json"))
    return [pytest.param(path, id=f"{folder}/{path.stem}") for path in found]


def value_of(written: object) -> Value:
    """Read a value, which stands in a vector as DAG-JSON."""
    return decode(json.dumps(written).encode(), DAG_JSON)


def spelled(value: Value) -> object:
    return json.loads(encode(value, DAG_JSON))


def condition_of(error: ipvm.IpvmError) -> str:
    """The name that the spec has for a condition: the most special one that callers tell apart."""
    family = next(each for each in type(error).__mro__ if each.__module__ == "ipvm.errors")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", family.__name__).lower()


class Program:
    """The blocks of a vector under the names that it gives them."""

    def __init__(self, vector: Json) -> None:
        self.vector = vector
        self.blocks: dict[str, Block] = {}
        self.outcome: Json = {}
        for kind, read in (
            ("blocks", self.read_block),
            ("modules", self.read_module),
            ("manifests", self.read_manifest),
        ):
            if kind in vector:
                self.outcome[kind] = {
                    name: each | read(name, each) for name, each in vector[kind].items()
                }

    def read_block(self, name: str, given: Json) -> Json:
        block = Block.encode(value_of(given["value"]), codec=CODECS[given["codec"]])
        self.blocks[name] = block
        return {"bytes": block.data.hex(), "cid": str(block.cid)}

    def read_module(self, name: str, given: Json) -> Json:
        text = "\n".join(given.get("wat", ()))
        self.blocks[name] = Block.of(text_to_module(text) if text else bytes.fromhex(given["wasm"]))
        return {"wasm": self.blocks[name].data.hex(), "cid": str(self.blocks[name].cid)}

    def read_manifest(self, name: str, given: Json) -> Json:
        value: Json = {"ipvm": "manifest/1", "code": self.cid(given["code"])}
        if "imports" in given:
            value["imports"] = {key: self.cid(each) for key, each in given["imports"].items()}
        if "exports" in given:
            value["exports"] = given["exports"]
        self.blocks[name] = Manifest.from_value(value).to_block()
        return {"cid": str(self.blocks[name].cid)}

    def cid(self, name: str) -> Cid:
        return self.blocks[name].cid

    def name(self, cid: Cid) -> str:
        return next(name for name, block in self.blocks.items() if block.cid == cid)

    async def store(self) -> Memory:
        store = Memory()
        absent = self.vector.get("absent", ())
        await store.put_many([block for name, block in self.blocks.items() if name not in absent])
        return store


async def called(runtime: Node, program: Program, call: Json, log: list[Any]) -> Json:
    log.clear()
    call = {key: call[key] for key in ("case", "function", "args", "using") if key in call}
    values = value_of(call["args"])
    assert isinstance(values, list)
    try:
        loaded = await runtime.load(program.cid(program.vector["root"]), **call.get("using", {}))
        receipt = await loaded[call["function"]].receipt(*values)
    except ipvm.IpvmError as condition:
        return call | {"condition": condition_of(condition)}
    told = {"log": list(log)} if log else {}
    invocation = await runtime.get_value(receipt.invocation)
    records = {
        "invocation": {"cid": str(receipt.invocation), "value": spelled(invocation)},
        "receipt": {"cid": str(receipt.cid), "value": spelled(receipt.record.to_value())},
    }
    return call | told | records


async def ran(vector: Json) -> tuple[Program, list[Json]]:
    """Make all calls of a vector."""
    program = Program(vector)
    log: list[Any] = []

    def on_log(cid: Cid, message: str) -> None:
        log.append([program.name(cid), message])

    async with ipvm.open(store=await program.store(), on_log=on_log) as runtime:
        return program, [
            await called(runtime, program, call, log) for call in vector.get("calls", ())
        ]


@pytest.mark.parametrize("path", paths("linking"))
async def test_a_program_is_linked_as_the_spec_says(vector: Json, hold: Hold) -> None:
    program, calls = await ran(vector)
    async with ipvm.open(store=await program.store()) as runtime:
        survey = await runtime.survey(program.cid(vector["root"]))
    linked: Json = {"order": [program.name(cid) for cid in survey.nodes]}
    if survey.problem is not None:
        linked = {"error": condition_of(survey.problem)}
    if calls:
        linked["calls"] = [brief(call) for call in calls]
    hold(program.outcome | linked)


@pytest.mark.parametrize("path", paths("execution"))
async def test_a_call_has_the_receipt_that_the_spec_says(vector: Json, hold: Hold) -> None:
    program, calls = await ran(vector)
    hold(program.outcome | {"calls": calls})


@pytest.mark.parametrize("path", paths("host-calls"))
async def test_a_host_call_answers_as_the_spec_says(vector: Json, hold: Hold) -> None:
    program, calls = await ran(vector)
    hold(program.outcome | {"calls": [brief(call) for call in calls]})


@pytest.mark.parametrize("path", paths("pack"))
async def test_a_run_is_packed_as_the_spec_says(vector: Json, hold: Hold, tmp_path: Path) -> None:
    program, (call,) = await ran(vector)
    root = program.cid(vector["root"])
    async with ipvm.open(store=await program.store()) as runtime:
        loaded = await runtime.load(root)
        values = value_of(call["args"])
        assert isinstance(values, list)
        receipt = await loaded[call["function"]].receipt(*values)
        alone = await runtime.cars.pack(root, tmp_path / "alone.car")
        packing = await runtime.cars.pack(root, tmp_path / "run.car", receipt=receipt.cid)
    told = {"invocation": receipt.invocation, "receipt": receipt.cid, "kernel": kernel_cid()}
    told |= {
        name: Cid.of(companion_bytes(name)) for name in COMPANIONS.values() if name != "kernel"
    }
    told["kernel's module"] = Cid.of(companion_bytes("kernel"))
    told |= {name: block.cid for name, block in program.blocks.items()}
    names = {cid: name for name, cid in told.items()}
    packs = [
        {
            "roots": [names[cid] for cid in each.roots],
            "cids": [names[cid] for cid in each.cids],
            "absent": [names[cid] for cid in each.absent],
        }
        for each in (alone, packing)
    ]
    hold(program.outcome | {"calls": [brief(call)], "packs": packs})


def brief(call: Json) -> Json:
    """A call with what came of it, without the records."""
    short = {key: each for key, each in call.items() if key not in {"invocation", "receipt", "log"}}
    if "receipt" in call:
        receipt = call["receipt"]["value"]
        short |= {key: receipt[key] for key in ("out", "fuel") if key in receipt}
    return short


@pytest.mark.parametrize("path", paths("kernel"))
def test_the_kernel_is_the_one_of_the_spec(path: Path, hold: Hold) -> None:
    name = COMPANIONS[path.stem]
    text, data = companion_text(name), companion_bytes(name)
    hold({"wat": text.splitlines(), "wasm": data.hex(), "cid": str(Cid.of(data))})
