"""What a pack holds is what a run takes: it is imported into an empty store, and run there again."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import ipvm
from ipvm.engine import text_to_module
from ipvm.files import file_blocks
from ipvm.ipld import DAG_CBOR, Block, BlockNotFound, Cid, Value, varint
from ipvm.limits import READS_INLINE_MAX
from ipvm.model import InvalidRecord
from ipvm.runtime import kernel_cid
from ipvm.store import Memory
from ipvm.store.car import reading as reading_file, take_car
from ipvm.testing import Library

Reading = Callable[[Sequence[Cid]], str]
Calling = Callable[..., str]

ECHO = """(module (memory (export "memory") 1)
  (func (export "echo") (param i32) (result i32) (local.get 0)))"""
ECHOES = {"echo": ipvm.Signature(params=("ipld",), results=("ipld",))}


def long(text: str) -> bytes:
    """A module that is longer than a block of code, by a section that says nothing."""
    section = b"\x03pad" + bytes(1_200_000)
    return text_to_module(text) + b"\0" + varint.write(len(section)) + section


async def elsewhere(path: Path) -> Memory:
    """A store with what is in a CAR and nothing else, after its garbage was collected."""
    store = Memory()
    async with reading_file(path) as read:
        await take_car(read, store)
    async with ipvm.open(store=store, offline=True) as node:
        await node.collect_garbage()
    return store


async def receipt_of(store: Memory, root: Cid, name: str, *arguments: object) -> ipvm.Receipt:
    async with ipvm.open(store=store, offline=True) as node:
        return await (await node.load(root))[name].receipt(*arguments)


async def carried(
    library: Library, root: Cid, name: str, *arguments: object, path: Path
) -> tuple[ipvm.Receipt, Memory]:
    """Run a function, pack the run, and run it from the pack: the receipts are the same."""
    store = await library.store()
    receipt = await receipt_of(store, root, name, *arguments)
    async with ipvm.open(store=store, offline=True) as node:
        packing = await node.cars.pack(root, path, receipt=receipt.cid)
    assert packing.roots[:2] == (root, receipt.cid)
    there = await elsewhere(path)
    again = await receipt_of(there, root, name, *arguments)
    assert again.cid == receipt.cid
    return receipt, there


@pytest.mark.parametrize("count", [1, READS_INLINE_MAX + 1])
async def test_a_run_that_calls_and_reads_is_carried_with_all_that_it_took(
    count: int, reading: Reading, calling: Calling, tmp_path: Path
) -> None:
    library = Library()
    cids = [library.keep(Block.of(b"%d" % number)) for number in range(count)]
    unread = library.keep(Block.of(b"unread"))
    inner = library.manifest(library.file(long(reading(cids))))
    middle = library.manifest(calling(inner, "all"))
    root = library.code(calling(middle, "go"))
    receipt, there = await carried(library, root, "go", path=tmp_path / "run.car")
    assert receipt.value == 0
    assert isinstance(receipt.record.reads, Cid) is (count > READS_INLINE_MAX)
    assert {inner, middle, *cids} == set(receipt.reads)
    assert not await there.has(unread)
    assert {pin.reach for pin in await there.pins()} == {"recursive"}


async def test_modules_that_are_imported_by_their_cid_stay_when_garbage_is_collected(
    tmp_path: Path,
) -> None:
    library = Library()
    two = library.code('(module (func (export "f") (result i32) (i32.const 2)))')
    one = library.code(
        f'(module (import "{two}" "f" (func $f (result i32))) (export "f" (func $f)))'
    )
    root = library.manifest(
        f'(module (import "ipfs://{one}" "f" (func $f (result i32))) (export "f" (func $f)))'
    )
    async with ipvm.open(store=await library.store()) as node:
        packing = await node.cars.pack(root, tmp_path / "x.car")
    assert packing.roots == (root, *sorted([one, two]))
    assert (await receipt_of(await elsewhere(tmp_path / "x.car"), root, "f")).value == 2
    await carried(library, root, "f", path=tmp_path / "y.car")


async def test_what_a_run_gave_is_carried_as_far_as_it_is_here(tmp_path: Path) -> None:
    library = Library()
    leaf = library.keep(Block.of(b"leaf"))
    nowhere = Cid.of(b"nowhere")
    given = library.keep(Block.encode([leaf, nowhere]))
    root = library.manifest(ECHO, exports=ECHOES)
    receipt, there = await carried(library, root, "echo", {"x": given}, path=tmp_path / "x.car")
    assert receipt.reads == ()
    assert await there.has(leaf)
    assert {pin.reach for pin in await there.pins()} == {"recursive", "partial"}


async def test_a_file_that_was_read_in_part_is_carried_in_part(
    reading: Reading, tmp_path: Path
) -> None:
    """What begins with code may be data, and nobody looks elsewhere for what was not read."""
    library = Library()
    file, blocks = file_blocks(long(ECHO) + bytes(1_000_000))
    for block in blocks[1:]:  # the beginning is not here
        library.keep(block)
    module = Block.of(text_to_module('(module (import "bafkqaaa" "f" (func)))'))
    read = [file, blocks[-2].cid, library.keep(module)]
    root = library.code(reading(read))
    receipt, there = await carried(library, root, "all", path=tmp_path / "x.car")
    assert set(receipt.reads) == set(read)
    assert not await there.has(blocks[1].cid)


async def test_any_record_of_a_run_is_packed_with_what_it_links_to(tmp_path: Path) -> None:
    library = Library()
    root = library.manifest(ECHO, exports=ECHOES)
    wanted = [library.keep(Block.of(name)) for name in (b"read", b"out", b"in the folder")]
    folder = library.keep(Block.encode({"file": wanted[2]}))
    unread = library.keep(Block.of(b"mounted, and never read"))
    mounted = library.keep(Block.encode({"file": unread}))
    asked: Value = {"ipvm": "command/1", "run": root, "mounts": {"/": mounted}}
    record: dict[str, Value] = {
        "ipvm": "run/1",
        "ran": library.keep(Block.encode(asked)),
        "reads": library.keep(Block.encode([wanted[0]])),
        "stdout": wanted[1],
        "outputs": {"/outputs": folder},
        "engine": {"kernel": kernel_cid()},
    }
    cid = library.keep(Block.encode(record))
    async with ipvm.open(store=await library.store()) as node:
        packing = await node.cars.pack(root, tmp_path / "x.car", receipt=cid)
    assert packing.absent == ()
    store = await elsewhere(tmp_path / "x.car")
    for each in (root, cid, folder, mounted, *wanted):
        assert await store.has(each)
    assert not await store.has(unread)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (b"\xff", "receipt"),
        ([], "expected a record"),
        ({"ipvm": "receipt/1", "reads": []}, "ran: expected a link"),
        ({"ipvm": "receipt/1", "ran": Cid.of(b"x"), "reads": [1]}, "reads: expected a list of"),
        ({"ipvm": "receipt/1", "ran": Cid.of(b"x"), "reads": []}, "invocation: expected a record"),
        ({"ipvm": "receipt/1", "ran": Cid.of(b"nowhere"), "reads": []}, "no block"),
    ],
)
async def test_what_is_no_record_of_a_run_is_refused(
    record: Value, told: str, tmp_path: Path
) -> None:
    library = Library()
    library.keep(Block.of(b"x"))
    root = library.manifest(ECHO, exports=ECHOES)
    data = Block.of(record, codec=DAG_CBOR) if isinstance(record, bytes) else Block.encode(record)
    cid = library.keep(data)
    async with ipvm.open(store=await library.store()) as node:
        with pytest.raises((InvalidRecord, BlockNotFound), match=told):
            await node.cars.pack(root, tmp_path / "x.car", receipt=cid)
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - a test may wait
