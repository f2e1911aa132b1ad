"""The gateway of a real Kubo."""

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

import ipvm
from ipvm.exchange import configured_gateways
from ipvm.exchange.gateway import EntityBytes, Gateway
from ipvm.ipld import Cid
from ipvm.store import Memory

if TYPE_CHECKING:
    from tests.kubo import Daemon

CONTENT = Random(1).randbytes(3_000_000)


async def test_all_forms_of_an_answer(kubo_daemon: "Daemon", tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a file").write_bytes(CONTENT)
    (tmp_path / "folder" / "other").write_bytes(b"other")
    added = kubo_daemon.run("add", "-rQ", "--cid-version=1", tmp_path / "folder")
    root = Cid.parse(added.decode().strip())
    (url,) = configured_gateways({"IPFS_PATH": str(kubo_daemon.home)})

    store, answers = Memory(), list[ipvm.Answer]()
    async with ipvm.open(store=store, sources=[url], on_answer=answers.append) as node:
        await node.pins.add(root)
        assert {each.outcome for each in answers} == {"block"}
        assert len(answers) == (await store.statistics()).blocks == 15
        file = await node.files.open(f"{root}/a file")
        assert await file.read() == CONTENT
        with pytest.raises(ipvm.NotFound):
            await node.get(Cid.of(b"nobody has this"))

    async with Gateway(url) as gateway:

        async def count(path: list[str], **options: object) -> int:
            async with gateway.fetch_car(root, path, **options) as sections:  # type: ignore[arg-type]
                return len([section async for section in sections])

        assert await count([]) == 15
        assert await count([], scope="block") == await count([], scope="entity") == 1
        assert await count(["a file"], scope="entity") == 14
        assert await count(["a file"], scope="entity", entity_bytes=EntityBytes(0, 9)) == 3
        assert await count(["a file"], scope="entity", entity_bytes=EntityBytes(-10)) == 3


async def test_a_function_is_called_that_only_kubo_has(
    kubo_daemon: "Daemon", tmp_path: Path, root: Path
) -> None:
    async with ipvm.open(store=Memory(), sources=()) as node:
        poly = await node.publish(root / "examples" / "02-link" / "poly")
        await node.cars.export(poly, tmp_path / "poly.car")
    kubo_daemon.run("dag", "import", tmp_path / "poly.car")
    async with ipvm.open(
        store=Memory(),
        sources=configured_gateways({"IPFS_PATH": str(kubo_daemon.home)}),
        cache=False,
    ) as node:
        program = await node.load(poly)
        assert await program.eval([1.0, 2.0, 3.0], 2.0) == 17.0
