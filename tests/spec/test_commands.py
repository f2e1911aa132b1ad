"""Commands of the spec: each run comes to what it says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ipvm
from ipvm.engine import text_to_module
from ipvm.ipld import DAG_JSON, Block, Cid, Value, encode
from ipvm.node import Node
from ipvm.store import Memory

VECTORS = Path(__file__).parents[2] / "spec" / "vectors"
Json = dict[str, Any]
Hold = Callable[[Json], None]


def spelled(value: Value) -> object:
    return json.loads(encode(value, DAG_JSON))


def written(entries: dict[str, str], folder: Path) -> Path:
    folder.mkdir()
    for name, content in entries.items():
        (folder / name).write_text(content)
    return folder


async def ran(node: Node, code: Cid, files: dict[str, Cid], asked: Json) -> Json:
    known = {key: asked[key] for key in ("case", "mounts", "fuel") if key in asked}
    options = {"fuel": asked["fuel"]} if "fuel" in asked else {}
    mounts = {path: files[name] for path, name in asked["mounts"].items()}
    result = await node.run(code, mounts=mounts, **options)
    invocation = await node.get_value(result.invocation)
    return known | {
        "invocation": {"cid": str(result.invocation), "value": spelled(invocation)},
        "receipt": {"cid": str(result.cid), "value": spelled(result.record.to_value())},
    }


@pytest.mark.parametrize(
    "path", [pytest.param(each, id=each.stem) for each in sorted((VECTORS / "commands").glob("*"))]
)
async def test_a_command_comes_to_what_the_spec_says(
    vector: Json, hold: Hold, tmp_path: Path
) -> None:
    module = Block.of(text_to_module("\n".join(vector["modules"]["code"]["wat"])))
    async with ipvm.open(store=Memory()) as node:
        await node.blocks.put(module)
        files = {
            name: await node.add(written(entries, tmp_path / name))
            for name, entries in vector["files"].items()
        }
        runs = [await ran(node, module.cid, files, asked) for asked in vector["runs"]]
    code = {**vector["modules"]["code"], "wasm": module.data.hex(), "cid": str(module.cid)}
    hold({"modules": {"code": code}, "cids": {n: str(c) for n, c in files.items()}, "runs": runs})
