"""What a command writes becomes content, and one record says what came of what."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

import ipvm
from ipvm.engine import text_to_module
from ipvm.errors import GuestError, InvalidArguments, LimitExceeded, NotFound
from ipvm.ipld import Block, Cid
from ipvm.limits import Limits
from ipvm.model import Invocation, Receipt
from ipvm.store import Memory

from .conftest import Run

EMPTY = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"


async def test_a_record_has_all_that_came_of_it(node: ipvm.Node, run: Run, command: Cid) -> None:
    stdin = await node.add(b"given\n")
    words = ["say", "hello", "complain", "oh", "put", "/outputs/f", "F", "stdin", "exit", "7"]
    result = await run(*words, stdin=stdin, env={"A": "1"}, fuel=10**9)
    assert await node.files.read(result.stdout) == b"hello\ngiven\n"
    assert await node.files.read(result.stderr) == b"oh\n"
    assert await node.files.read(f"{result.outputs['/outputs']}/f") == b"F"
    assert (result.exit, result.error, result.reads) == (7, None, (stdin,))
    record = Receipt.from_block(await node.blocks.get(result.cid))
    assert record == result.record
    assert record.out.to_value() == {
        "ok": {
            "exit": 7,
            "stdout": result.stdout,
            "stderr": result.stderr,
            "outputs": dict(result.outputs),
        }
    }
    assert (record.fuel, record.ran, record.reads) == (result.fuel, result.invocation, (stdin,))
    asked = Invocation.from_block(await node.blocks.get(result.invocation)).to_value()
    assert asked == {
        "ipvm": "invocation/1",
        "run": command,
        "func": "_start",
        "args": ["main", *words],
        "fuel": 10**9,
        "wasi": {"env": {"A": "1"}, "stdin": stdin, "outputs": ["/outputs"]},
    }


@pytest.mark.parametrize("code", [0, 1, 255, 256, 2**31])
async def test_its_exit_code(run: Run, code: int) -> None:
    assert (await run("exit", str(code - 2**32 if code >= 2**31 else code))).exit == code


async def test_who_listens_hears_it_at_once(run: Run) -> None:
    heard: list[tuple[str, bytes]] = []
    await run(
        *("say", "one", "complain", "two"),
        stdout=lambda data: heard.append(("out", data)),
        stderr=lambda data: heard.append(("err", data)),
    )
    assert b"".join(data for name, data in heard if name == "out") == b"one\n"
    assert b"".join(data for name, data in heard if name == "err") == b"two\n"


class Deaf(Exception):
    pass


async def test_who_cannot_listen_any_more_ends_it(run: Run) -> None:
    def refuse(_data: bytes) -> None:
        raise Deaf

    with pytest.raises(Deaf):
        await run("babble", stdout=refuse)


async def test_outputs_are_the_folders_that_add_would_make(
    node: ipvm.Node, run: Run, tmp_path: Path
) -> None:
    words = ["mkdir", "/o/sub", "put", "/o/sub/f", "F", "link", "sub/f", "/o/l", "mkdir", "/o/e"]
    result = await run(*words, outputs=["/o"])
    (tmp_path / "o" / "sub").mkdir(parents=True)
    (tmp_path / "o" / "e").mkdir()
    (tmp_path / "o" / "sub" / "f").write_text("F")
    (tmp_path / "o" / "l").symlink_to("sub/f")
    expected = await node.add(tmp_path / "o")
    assert {path: str(cid) for path, cid in result.outputs.items()} == {
        "/o": str(expected),
        "/outputs": EMPTY,
    }


async def test_an_output_may_begin_with_what_is_mounted(
    node: ipvm.Node, run: Run, tmp_path: Path
) -> None:
    """What it leaves alone is neither read nor made again."""
    (tmp_path / "w" / "big").mkdir(parents=True)
    (tmp_path / "w" / "a").write_text("A")
    (tmp_path / "w" / "big" / "data").write_bytes(bytes(3_000_000))
    given = await node.add(tmp_path / "w")
    big = (await node.files.resolve(f"{given}/big")).node.cid
    words = ["append", "/w/a", "B", "put", "/w/c", "C"]
    result = await run(*words, mounts={"/w": given}, outputs=["/w"])
    (tmp_path / "w" / "a").write_text("AB")
    (tmp_path / "w" / "c").write_text("C")
    assert result.outputs["/w"] == await node.add(tmp_path / "w")
    assert big not in result.reads
    untouched = await run("say", "hello", mounts={"/w": given}, outputs=["/w"])
    assert untouched.outputs["/w"] == given


async def moved(node: ipvm.Node, cids: list[Cid], puppet: Block) -> Memory:
    """A store that has these blocks alone."""
    store = Memory()
    await store.put_many([puppet, *[await node.blocks.get(cid) for cid in cids]])
    return store


@pytest.mark.parametrize("profile", ["deterministic", "fast"])
async def test_two_runs_have_the_same_record_and_what_was_read_suffices(
    node: ipvm.Node, run: Run, puppet: Block, tmp_path: Path, profile: str
) -> None:
    (tmp_path / "d").mkdir()
    for number in range(3):
        data = hashlib.shake_256(bytes([number])).digest(3_000_000)
        (tmp_path / "d" / f"{number}.bin").write_bytes(data)
    given = await node.add(tmp_path / "d")
    words = ["cat", "/inputs/0.bin", "range", "/inputs/1.bin", "1500000", "100", "random"]
    options: dict[str, Any] = {"input": given, "profile": profile}
    first, second = await run(*words, **options), await run(*words, **options)
    assert first.cid == second.cid
    file = await node.files.resolve(f"{given}/1.bin")
    assert {given, file.node.cid} < set(first.reads)
    assert (await node.files.resolve(f"{given}/2.bin")).node.cid not in first.reads
    store = await moved(node, list(first.reads), puppet)
    async with ipvm.open(store=store, offline=True, cache=False) as other:
        elsewhere = await other.run(puppet.cid, words, **options)
        assert elsewhere.cid == first.cid


async def test_chance_follows_from_the_invocation(node: ipvm.Node, run: Run) -> None:
    drawn = [
        await node.files.read((await run("random", **options)).stdout)
        for options in ({}, {}, {"env": {"A": "1"}}, {"fuel": 10**9})
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


async def test_a_chunk_that_is_missing_ends_it_without_a_record(
    node: ipvm.Node, puppet: Block, tmp_path: Path
) -> None:
    data = b"".join(hashlib.shake_256(bytes([each])).digest(1024 * 1024) for each in range(4))
    (tmp_path / "data").write_bytes(data)
    root = await node.add(tmp_path / "data")
    links = list((await node.blocks.get(root)).links())
    store = await moved(node, [root, *links[:2], links[3]], puppet)
    heard = bytearray()
    async with ipvm.open(store=store, offline=True, cache=False) as other:
        with pytest.raises(NotFound, match=rf"/data/all.*{links[2]}"):
            await other.run(
                puppet.cid,
                ["cat", "/data/all"],
                mounts={"/data/all": root},
                stdout=heard.extend,
            )
        assert data.startswith(heard)
        assert 2 * 1024 * 1024 - len(heard) <= 64 * 1024  # what one read asked for


FAILURES: Mapping[str, tuple[list[str], dict[str, object], str]] = {
    "trap": (["say", "hello", "trap"], {}, "trap"),
    "fuel": (["spin"], {"fuel": 10**7}, "out-of-fuel"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_has_a_record_and_no_outputs(node: ipvm.Node, run: Run, name: str) -> None:
    words, options, kind = FAILURES[name]
    result = await run(*words, **options)
    assert isinstance(result.error, GuestError)
    assert result.error.kind == kind
    for attribute in ("exit", "stdout", "stderr", "outputs"):
        with pytest.raises(GuestError):
            getattr(result, attribute)
    record = Receipt.from_block(await node.blocks.get(result.cid))
    assert record.out.error is not None
    assert record.out.error.kind == kind
    assert (await run(*words, **options)).cid == result.cid


@pytest.mark.parametrize("words", [["fill", "/outputs/f"], ["babble"]])
async def test_a_command_that_writes_without_end_meets_a_limit(
    puppet: Block, words: list[str]
) -> None:
    store = Memory()
    await store.put(puppet)
    bounds = Limits(made_bytes_max=5_000_000)
    async with ipvm.open(store=store, limits=bounds) as node:
        with pytest.raises(LimitExceeded, match="made_bytes_max") as refused:
            await node.run(puppet.cid, words)
        assert "--limit" in str(refused.value)


async def test_cancelling_stops_it(run: Run) -> None:
    with trio.move_on_after(0.2) as scope:
        await run("spin")
    assert scope.cancelled_caught


async def test_many_run_at_once(node: ipvm.Node, run: Run) -> None:
    results: dict[int, bytes] = {}

    async def one(number: int) -> None:
        result = await run("say", str(number), "put", "/outputs/n", str(number))
        results[number] = await node.files.read(f"{result.outputs['/outputs']}/n")

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(one, number)
    assert results == {number: str(number).encode() for number in range(20)}


async def test_a_program_without_wasi_may_be_a_command(node: ipvm.Node) -> None:
    cid = await node.put(text_to_module('(module (func (export "_start")))'))
    given = await node.add(b"anything")
    folder = await node.run(cid, mounts={"/a/b": given}, outputs=["/o"])
    assert (folder.exit, str(folder.outputs["/o"])) == (0, EMPTY)
    assert "wasi" not in folder.record.engine


async def test_what_is_no_command_says_so(node: ipvm.Node) -> None:
    for text in ('(module (func (export "f")))', '(module (func (export "_start") (param i32)))'):
        with pytest.raises(InvalidArguments, match="is no command"):
            await node.run(await node.put(text_to_module(text)))


async def test_a_command_may_make_blocks_and_call_functions(node: ipvm.Node) -> None:
    """Blocks that it keeps are stored; a function that it is linked to writes to the same stream."""
    library = await node.put(
        text_to_module("""(module
          (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1) (data (i32.const 0) "\\08\\00\\00\\00\\03\\00\\00\\00lib")
          (func (export "say")
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))))""")
    )
    root = await node.put(
        text_to_module(f"""(module
          (import "{library}" "say" (func $say))
          (import "ipld" "block_create" (func $create (param i32 i64 i32 i32) (result i32)))
          (import "ipld" "block_link"
            (func $link (param i32 i32 i64 i32 i32 i32) (result i32)))
          (memory (export "memory") 1) (data (i32.const 64) "made")
          (func (export "_start")
            (call $say)
            (drop (call $create (i32.const 0) (i64.const 0x55) (i32.const 64) (i32.const 4)))
            (drop (call $link (i32.const 8) (i32.load (i32.const 0)) (i64.const 0x12)
              (i32.const 32) (i32.const 100) (i32.const 100)))))""")
    )
    result = await node.run(root)
    assert await node.files.read(result.stdout) == b"lib"
    assert await node.get(Cid.of(b"made")) == b"made"


async def test_a_record_and_what_it_names_is_kept(run: Run, puppet: Block, tmp_path: Path) -> None:
    del run
    async with ipvm.open(store=tmp_path / "store") as node:
        await node.blocks.put(puppet)
        words = ["put", "/outputs/f", "F"]
        pinned = await node.run(puppet.cid, words)
        loose = await node.run(puppet.cid, [*words, "say", "other"], pin=False)
        await node.collect_garbage()
        assert await node.files.read(f"{pinned.outputs['/outputs']}/f") == b"F"
        assert await node.blocks.has(puppet.cid)
        assert not await node.blocks.has(loose.cid)
