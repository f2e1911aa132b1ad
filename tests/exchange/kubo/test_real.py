"""A real Kubo: as a source, as a keeper, and by the CIDs that it gives."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ipvm import node
from ipvm.exchange import BlockService
from ipvm.exchange.kubo import Kubo, KuboUnavailable
from ipvm.ipld import Block, BlockNotFound, Cid
from ipvm.store import Memory
from ipvm.store.car import Write, export_dag
from ipvm.testing import check_source

if TYPE_CHECKING:
    from tests.kubo import Daemon

ABSENT = Cid.of(b"absent, and nobody has ever had it")
BIG = bytes(range(256)) * 12_000
LARGE = Block.of(bytes(2 * 1024 * 1024))


async def test_it_is_a_source(kubo_daemon: "Daemon", kubo: Kubo) -> None:
    data = b"Kubo has this" * 100
    put = kubo_daemon.run("block", "put", "--cid-codec=raw", given=data).decode().strip()
    await check_source(kubo, Block.of(data), ABSENT)
    assert await kubo.fetch(Cid.parse(put)) == data


async def test_it_sends_a_whole_file_in_one_answer(kubo_daemon: "Daemon", kubo: Kubo) -> None:
    root = Cid.parse(kubo_daemon.run("add", "-Q", "--cid-version=1", given=BIG).decode().strip())
    store = Memory()
    blocks = BlockService(store, kubo)
    await blocks.fetch_ahead(root)
    async with node.open_node(store=store, offline=True) as offline:
        assert await offline.files.read(f"{root}") == BIG
    with pytest.raises(BlockNotFound):
        await blocks.fetch_ahead(ABSENT)


async def test_what_is_given_to_it_is_pinned_by_its_name_and_as_it_is(
    kubo_daemon: "Daemon", kubo: Kubo
) -> None:
    store = Memory()
    root = Block.encode({"large": LARGE.cid, "small": Block.of(b"small").cid})
    await store.put_many([root, LARGE, Block.of(b"small")])
    blocks = BlockService(store)
    written = await kubo.keep(lambda write: export_dag(root.cid, blocks, write))
    assert written.blocks == 3
    await kubo.pin(root.cid, name="näme" * 100)
    pins = kubo_daemon.run("pin", "ls", "--names", "--type=recursive").decode()
    assert f"{root.cid} recursive nämenäme" in pins
    kubo_daemon.run("repo", "gc")
    assert kubo_daemon.run("block", "get", LARGE.cid) == LARGE.data
    assert kubo_daemon.run("dag", "export", root.cid).startswith(b"\x3a\xa2")
    with pytest.raises(KuboUnavailable, match="no connected peers"):
        await kubo.provide(root.cid)


async def test_what_it_refuses_is_said_in_its_words(kubo: Kubo) -> None:
    async def junk(write: Write) -> None:
        for _ in range(100):
            await write(b"no CAR" * 100_000)

    with pytest.raises(KuboUnavailable, match="invalid header"):
        await kubo.keep(junk)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of all sizes, folders, symlinks, and a folder that is sharded."""
    top = tmp_path_factory.mktemp("tree")
    for size in (0, 1, 262_144, 262_145, 3_000_000):
        (top / f"{size} bytes").write_bytes((bytes(range(251)) * 12_000)[:size])
    (top / "empty").mkdir()
    (top / "deep" / "er").mkdir(parents=True)
    (top / "deep" / "er" / "ä\n☃").write_text("name")
    (top / "link").symlink_to("deep/er")
    (top / "many").mkdir()
    for number in range(6000):
        (top / "many" / f"a file with a long name and the number {number}").write_text(str(number))
    return top


FLAGS = {
    "unixfs-v1-2025": ["--cid-version=1", "--chunker=size-1048576", "--max-file-links=1024"],
    "unixfs-v0-2015": ["--cid-version=0", "--chunker=size-262144", "--max-file-links=174"],
}
"""What the profiles are to a Kubo that does not know their names yet."""


@pytest.mark.parametrize("profile", list(FLAGS))
async def test_ipvm_and_kubo_give_a_tree_the_same_cid(
    kubo_daemon: "Daemon", tree: Path, profile: str
) -> None:
    async with node.open_node(store=Memory(), offline=True) as ours:
        added = await ours.add(tree, profile=profile)
    assert kubo_daemon.run("add", "-rQH", *FLAGS[profile], tree).decode().strip() == str(added)


async def test_cars_go_both_ways(kubo_daemon: "Daemon", tree: Path, tmp_path: Path) -> None:
    async with node.open_node(store=Memory(), offline=True) as ours:
        added = await ours.add(tree)
        await ours.cars.export(added, tmp_path / "ours.car")
    kubo_daemon.run("dag", "import", tmp_path / "ours.car")
    (tmp_path / "theirs.car").write_bytes(kubo_daemon.run("dag", "export", str(added)))
    assert (tmp_path / "theirs.car").read_bytes() == (tmp_path / "ours.car").read_bytes()
    async with node.open_node(store=Memory(), offline=True) as ours:
        await ours.cars.import_file(tmp_path / "theirs.car")
        assert await ours.files.read(f"{added}/deep/er/ä\n☃") == b"name"
