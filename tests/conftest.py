"""What every test may ask for, and the walls around all of them.

No test reaches the store, the cache or the settings of the person who runs it: the whole session
gets folders of its own. Chance is bounded by a hypothesis profile: `dev` on a person's machine, and
in CI (the variable `CI` is set) `ci`, which tries more and the same each time.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import trio

if TYPE_CHECKING:
    from benchmarks.helia import Helia
    from tests.kubo import Daemon

ROOT = Path(__file__).parent.parent
VECTORS = ROOT.parent / "shared" / "vectors"
HOME_CACHE = os.environ.get("XDG_CACHE_HOME")
"""Before the walls are up."""

hypothesis.settings.register_profile("dev", max_examples=50, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_configure() -> None:
    """Let tests interrupt what they start, also where a shell began this in the background.

    Such a shell has SIGINT ignored, and so would all children have.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="run the tests marked slow too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--run-slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    items[:] = [item for item in items if not item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)


@pytest.fixture(scope="session", autouse=True)
def session_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The store of the whole session; `IPVM_STORE` names it, for child processes as well.

    So does `IPVM_CACHE` name the cache.
    """
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPVM_STORE", str(home / "store"))
        patch.setenv("IPVM_CACHE", str(home / "cache"))
        for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
            patch.setenv(variable, str(home / variable.lower()))
        patch.setenv("IPFS_PATH", str(home / "ipfs"))
        for variable in ("IPFS_API", "IPFS_GATEWAY", "IPVM_GATEWAYS"):
            patch.delenv(variable, raising=False)
        yield home / "store"


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder that holds README.md, examples/ and spec/; never part of the installed package."""
    return ROOT


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Vectors written elsewhere, in `shared/vectors` beside the checkout."""
    if not VECTORS.is_dir():
        pytest.skip(f"vectors written elsewhere are absent: no folder {VECTORS}")
    return VECTORS


@pytest.fixture(scope="session")
def kubo_daemon(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Daemon]":
    """A real Kubo that runs, and knows nobody. Where there is none, the test is skipped."""
    spec = spec_from_file_location("tests.kubo", ROOT / "tests" / "kubo.py")
    assert spec is not None
    assert spec.loader is not None
    kubo = sys.modules["tests.kubo"] = module_from_spec(spec)
    spec.loader.exec_module(kubo)
    program = kubo.find(HOME_CACHE)
    if program is None:
        pytest.skip("there is no Kubo: `python tests/kubo.py` builds one, IPVM_KUBO names another")
    with kubo.running(program, tmp_path_factory.mktemp("kubo")) as daemon:
        yield daemon


@pytest.fixture
def helia() -> "Callable[..., AbstractAsyncContextManager[Helia]]":
    """Run Helia, another implementation of IPFS. Where it cannot be had, the test is skipped.

    The driver lies with the benchmarks, which measure Helia; they are no installed package.
    """
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    from benchmarks.helia import install, open_helia  # noqa: PLC0415
    from benchmarks.row import Unmeasurable  # noqa: PLC0415

    @asynccontextmanager
    async def helia(gateway: str = "") -> "AsyncIterator[Helia]":
        async with AsyncExitStack() as stack:
            try:
                await trio.to_thread.run_sync(install)
                opened = await stack.enter_async_context(open_helia(gateway))
            except Unmeasurable as reason:
                pytest.skip(f"Helia cannot be asked: {reason}")
            yield opened

    return helia


@pytest.fixture
def administer() -> Callable[..., None]:
    """Run a command that takes root, like mount. Where that cannot be, the test is skipped."""

    def administer(name: str, *arguments: object) -> None:
        program = shutil.which(name)
        if not program or os.geteuid() != 0:
            pytest.skip(f"{name} takes root")
        command = [program, *map(str, arguments)]
        if subprocess.run(command, check=False, capture_output=True).returncode != 0:
            pytest.skip(f"{name} is not permitted here")

    return administer
