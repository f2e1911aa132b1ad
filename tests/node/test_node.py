"""What a person does with a node, and what it says when that cannot be."""

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from trio.testing import assert_checkpoints

import ipvm
from ipvm.errors import InvalidData, IpvmError, NotFound
from ipvm.ipld import DAG_CBOR, DAG_JSON, RAW, Block, Cid, Value
from ipvm.limits import BLOCK_BYTES_MAX
from ipvm.runtime import turns
from ipvm.store import Memory
from ipvm.testing import Library

ABSENT = Cid.of(b"absent")


async def test_the_whole_way_from_a_folder_to_a_receipt(folder: Path, tmp_path: Path) -> None:
    async with ipvm.open(store=tmp_path / "store") as node:
        cid = await node.publish(folder)
        program = await node.load(str(cid))
        assert await program.add(2, 3) == await program["add"](2, 3) == 5
        receipt = await program.add.receipt(2, 3)
        assert (receipt.value, receipt.reads) == (5, ())
        measured = await program.add.measured(2, 3)
        assert (measured.value, measured.fuel) == (5, receipt.fuel)
    async with ipvm.open(store=str(tmp_path / "store"), offline=True) as node:
        assert (await (await node.load(cid)).add.receipt(2, 3)).cid == receipt.cid


@pytest.mark.parametrize("form", ["{}", "ipfs://{}", "/ipfs/{}", "ipfs://{}/"])
async def test_a_target_may_be_written_in_many_ways(
    form: str, node: ipvm.Node, function: Cid
) -> None:
    text = form.format(function)
    assert await node.resolve(text) == function
    assert (await node.load(text)).cid == function
    assert (await node.survey(text)).root == function


async def test_a_path_is_published_when_it_is_loaded(node: ipvm.Node, folder: Path) -> None:
    cid = await node.publish(folder)
    for target in (folder, str(folder), folder / "ipvm.toml", str(folder / "ipvm.toml")):
        assert await node.resolve(target) == cid
        assert await (await node.load(target)).add(1, 1) == 2
    code = await node.resolve(folder / "code.wat")
    assert code.codec == RAW


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("nope", InvalidData),
        ("", InvalidData),
        ("bafy", InvalidData),
        ("ipfs://nope", InvalidData),
        ("a\0b", InvalidData),
        ("x" * 5000, InvalidData),
        (Path("nope"), NotFound),
        (Path("a\0b"), InvalidData),
        (ABSENT, NotFound),
        (str(ABSENT), NotFound),
        (Cid(ABSENT.digest, codec=DAG_CBOR), NotFound),
        (Cid(ABSENT.digest, codec=0x72), IpvmError),
    ],
)
async def test_a_target_that_leads_nowhere_is_one_of_our_errors(
    target: Cid | str | Path, error: type[IpvmError], node: ipvm.Node
) -> None:
    with pytest.raises(error) as caught:
        await node.load(target)
    assert str(caught.value).isprintable()


async def test_a_survey_shows_a_function_that_does_not_link(node: ipvm.Node) -> None:
    library = Library()
    root = library.manifest('(module (import "a" "f" (func)))', {"a": ABSENT})
    await node.store.put_many(list(library.blocks.values()))
    found = await node.survey(root)
    assert isinstance(found.problem, NotFound)
    assert list(found.nodes) == [ABSENT, root]


async def test_bytes_are_kept_and_given_back(node: ipvm.Node) -> None:
    cid = await node.put(b"some bytes")
    assert cid == Cid.of(b"some bytes")
    assert await node.get(cid) == await node.get(str(cid)) == b"some bytes"
    assert await node.get(f"ipfs://{cid}") == b"some bytes"
    assert await node.get_value(cid) == b"some bytes"
    assert await node.get(await node.put(b"\xa0", codec=DAG_CBOR)) == b"\xa0"


@pytest.mark.parametrize("value", [None, 1, [b"a", {"k": ABSENT}], {"a": [1.5, "é"]}])
@pytest.mark.parametrize("codec", [DAG_CBOR, DAG_JSON])
async def test_a_value_is_kept_and_given_back(value: Value, codec: int, node: ipvm.Node) -> None:
    cid = await node.put_value(value, codec=codec)
    assert cid == Block.encode(value, codec=codec).cid
    assert await node.get_value(cid) == value


def deep(levels: int) -> Value:
    value: Value = 1
    for _ in range(levels):
        value = [value]
    return value


WRONG: list[Callable[[ipvm.Node], Awaitable[object]]] = [
    lambda node: node.put(b"\xff", codec=DAG_CBOR),
    lambda node: node.put(b"", codec=0x1234),
    lambda node: node.put(bytes(BLOCK_BYTES_MAX + 1)),
    lambda node: node.put_value(float("nan")),
    lambda node: node.put_value({"a": 2**64}),
    lambda node: node.put_value(deep(10_000)),
    lambda node: node.put_value("\ud800"),
    lambda node: node.put_value([1], codec=RAW),
    lambda node: node.put_value(bytes(BLOCK_BYTES_MAX)),
    lambda node: node.get("nope"),
    lambda node: node.get_value(""),
]


@pytest.mark.parametrize("call", WRONG)
async def test_what_cannot_be_a_block_is_refused(
    call: Callable[[ipvm.Node], Awaitable[object]], node: ipvm.Node
) -> None:
    with pytest.raises(InvalidData):
        await call(node)


async def test_a_block_that_is_nowhere_is_not_found(node: ipvm.Node) -> None:
    for cid in (ABSENT, str(ABSENT)):
        with pytest.raises(NotFound, match=f"{ABSENT}.*offline"):
            await node.get(cid)
        with pytest.raises(NotFound):
            await node.get_value(cid)


def calls(
    node: ipvm.Node, program: ipvm.Program, folder: Path
) -> dict[str, Callable[[], Awaitable[object]]]:
    """Every public async function, in every way that it can end."""
    absent, raw = ABSENT, Cid.of(b"some bytes")
    return {
        "load": lambda: node.load(program.cid),
        "load, absent": lambda: node.load(absent),
        "load, no target": lambda: node.load("nope"),
        "load, no fuel": lambda: node.load(program.cid, fuel=0),
        "resolve": lambda: node.resolve(absent),
        "resolve, text": lambda: node.resolve(str(absent)),
        "resolve, nothing": lambda: node.resolve("nope"),
        "publish": lambda: node.publish(folder),
        "publish, nothing": lambda: node.publish("nope"),
        "publication": lambda: node.publication(folder),
        "survey": lambda: node.survey(program.cid),
        "survey, absent": lambda: node.survey(absent),
        "survey, path": lambda: node.survey(folder),
        "survey, nothing": lambda: node.survey("nope"),
        "relink": lambda: node.relink(program.cid, {}),
        "relink, no such import": lambda: node.relink(program.cid, {"n": absent}),
        "relink, nothing": lambda: node.relink("nope", {}),
        "put": lambda: node.put(b"some bytes"),
        "put, wrong": lambda: node.put(b"\xff", codec=DAG_CBOR),
        "get": lambda: node.get(raw),
        "get, absent": lambda: node.get(absent),
        "get, no cid": lambda: node.get("nope"),
        "put_value": lambda: node.put_value([1]),
        "put_value, wrong": lambda: node.put_value(float("nan")),
        "get_value": lambda: node.get_value(raw),
        "get_value, no cid": lambda: node.get_value("nope"),
        "call": lambda: program.add(1, 2),
        "call, wrong": lambda: program.add(1),
        "call, trap": program.trap,
        "receipt": lambda: program.add.receipt(1, 2),
        "receipt, wrong": lambda: program.add.receipt("1"),
        "receipt, trap": program.trap.receipt,
        "measured": lambda: program.add.measured(1, 2),
        "measured, wrong": program.add.measured,
    }


async def test_every_async_function_is_a_checkpoint_on_every_path(
    node: ipvm.Node, function: Cid, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call is one only if there was none for a millisecond: here it always is."""
    monkeypatch.setattr(turns, "TURN_SECONDS", -1.0)
    program = await node.load(function)
    await node.put(b"some bytes")
    for _ in range(2):
        for name, call in calls(node, program, folder).items():
            try:
                with assert_checkpoints(), suppress(IpvmError):
                    await call()
            except AssertionError:
                pytest.fail(name)


async def test_every_async_function_can_be_cancelled_before_it_does_anything(
    node: ipvm.Node, function: Cid, folder: Path
) -> None:
    program = await node.load(function)
    assert isinstance(node.store, Memory)
    before = (await node.store.statistics()).blocks
    for name, call in calls(node, program, folder).items():
        with trio.CancelScope() as scope:
            scope.cancel()
            with suppress(IpvmError):
                await call()
        assert scope.cancelled_caught, name
    assert (await node.store.statistics()).blocks == before


async def test_opening_a_node_is_a_checkpoint() -> None:
    with assert_checkpoints():
        async with ipvm.open(store=Memory()):
            pass


async def test_a_store_that_cannot_be_opened_is_told_when_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no folder")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "data.mdb").write_bytes(b"no store at all")
    for path in (tmp_path / "file", tmp_path / "file" / "deeper", tmp_path / "other"):
        async with ipvm.open(store=path) as node:
            with pytest.raises(IpvmError, match=str(path)):
                await node.put(b"some bytes")
    async with ipvm.open(store="x" * 300) as node:
        with pytest.raises(IpvmError):
            await node.put(b"some bytes")


async def test_the_store_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPVM_STORE", str(tmp_path / "named"))
    async with ipvm.open() as node:
        cid = await node.put(b"kept")
    assert (tmp_path / "named").is_dir()
    async with ipvm.open() as node:
        assert await node.get(cid) == b"kept"
    assert os.environ["IPVM_STORE"]


async def test_reading_a_large_module_does_not_hold_up_the_loop(node: ipvm.Node) -> None:
    """The loop turns while another thread reads it."""
    library = Library()
    exports = "".join(f'(export "f{number}" (func 0))' for number in range(60_000))
    root = library.code(f"(module (func) {exports})")
    await node.store.put_many(list(library.blocks.values()))
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(turn)
        await node.survey(root)
        nursery.cancel_scope.cancel()
    assert turns > 100
