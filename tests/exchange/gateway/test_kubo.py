"""The gateway of a real Kubo: `ipfs` on the PATH, or the program that `IPVM_TEST_KUBO` names."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from shutil import which

import pytest

import ipvm
from ipvm.exchange import configured_gateways
from ipvm.exchange.gateway import EntityBytes, Gateway
from ipvm.ipld import Cid
from ipvm.store import Memory

Kubo = Callable[..., str]
SETTINGS = {"Addresses.Gateway": '"/ip4/127.0.0.1/tcp/0"', "Gateway.NoFetch": "true"}
CONTENT = Random(1).randbytes(3_000_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its repository."""
    return tmp_path_factory.mktemp("kubo")


@pytest.fixture(scope="module")
def kubo(folder: Path) -> Iterator[Kubo]:
    """Run its commands, beside its daemon, which knows nobody."""
    program = os.environ.get("IPVM_TEST_KUBO") or which("ipfs")
    if program is None:
        pytest.skip("there is no Kubo: put `ipfs` on the PATH, or name it in IPVM_TEST_KUBO")
    environment = os.environ | {"IPFS_PATH": str(folder), "IPFS_TELEMETRY": "off"}

    def run(*words: object) -> str:
        command = [program, *map(str, words)]
        return subprocess.check_output(command, env=environment, text=True, timeout=60).strip()

    run("init", "--profile=test")
    for name, value in SETTINGS.items():
        run("config", "--json", name, value)
    daemon = subprocess.Popen(
        [program, "daemon", "--offline"], env=environment, stdout=subprocess.PIPE, text=True
    )
    with daemon:
        try:
            assert daemon.stdout is not None
            assert any("Daemon is ready" in line for line in daemon.stdout)
            yield run
        finally:
            daemon.terminate()


async def test_all_forms_of_an_answer(kubo: Kubo, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a file").write_bytes(CONTENT)
    (tmp_path / "folder" / "other").write_bytes(b"other")
    root = Cid.parse(kubo("add", "-rQ", "--cid-version=1", tmp_path / "folder"))
    (url,) = configured_gateways({"IPFS_PATH": str(folder)})

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
    kubo: Kubo, folder: Path, tmp_path: Path, root: Path
) -> None:
    async with ipvm.open(store=Memory(), sources=()) as node:
        poly = await node.publish(root / "examples" / "02-link" / "poly")
        await node.cars.export(poly, tmp_path / "poly.car")
    kubo("dag", "import", tmp_path / "poly.car")
    async with ipvm.open(
        store=Memory(), sources=configured_gateways({"IPFS_PATH": str(folder)}), cache=False
    ) as node:
        program = await node.load(poly)
        assert await program.eval([1.0, 2.0, 3.0], 2.0) == 17.0
