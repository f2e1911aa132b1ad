"""An engine that is not the known one is refused before it runs anything."""

import ctypes
import subprocess
import sys
from collections.abc import Iterator

import pytest
from wasmtime import _bindings

from ipvm.engine import WASMTIME_MAJOR, Trap, capi, selftest, wasmtime_version
from ipvm.errors import Refused


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    """Forget that the test has passed in this process."""
    selftest.require.cache_clear()
    yield
    selftest.require.cache_clear()


def test_the_installed_engine_passes() -> None:
    selftest.require()
    assert all(selftest.run().values())
    assert len(selftest.run()) >= 5


@pytest.mark.parametrize("version", ["49.0.1", "51.0.0", "5.0.0", "500.0.0", "0"])
def test_an_engine_of_another_version_is_refused(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(selftest, "wasmtime_version", lambda: version)
    for _ in range(2):
        with pytest.raises(selftest.EngineUnknown) as caught:
            selftest.require()
        assert isinstance(caught.value, Refused)
        assert f"wasmtime {version} is installed" in str(caught.value)
        assert f"pip install 'wasmtime=={WASMTIME_MAJOR}.*'" in str(caught.value)


def test_the_version_is_that_of_the_package() -> None:
    assert wasmtime_version().split(".")[0] == str(WASMTIME_MAJOR)


def refusal() -> str:
    """Run the test, which must not pass, and give what it says."""
    with pytest.raises(selftest.EngineUnknown) as caught:
        selftest.require()
    assert f"pip install 'wasmtime=={WASMTIME_MAJOR}.*'" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["wasmtime_val_t", "wasmtime_extern_t", "wasmtime_func_t"])
def test_an_engine_whose_structures_have_another_size_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(_bindings, name, ctypes.c_uint8 * 40)
    assert f"{name} of wasmtime {wasmtime_version()} has 40 bytes instead of" in refusal()


def test_an_engine_that_lacks_a_function_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capi, "MISSING", ["wasmtime_something"])
    assert f"wasmtime {wasmtime_version()} has no function wasmtime_something" in refusal()


async def other_results(*_arguments: object) -> tuple[int, ...]:
    return (0,)


async def other_trap(*_arguments: object) -> tuple[int, ...]:
    raise Trap("unknown", ())


@pytest.mark.parametrize("call", [other_results, other_trap])
def test_an_engine_that_behaves_otherwise_is_refused(
    monkeypatch: pytest.MonkeyPatch, call: object
) -> None:
    monkeypatch.setattr(selftest, "call", call)
    assert "fails the test: a call of the host that answers at once" in refusal()
    failed = {name for name, passed in selftest.run().items() if not passed}
    assert failed >= {name for name in selftest.run() if "host" in name}


WITHOUT_FUNCTIONS = """
import ctypes, sys, trio
import wasmtime
wasmtime._ffi.dll = ctypes.CDLL(None)
import ipvm
from ipvm.errors import Refused

async def main():
    async with ipvm.open(store=sys.argv[1]):
        pass

try:
    trio.run(main)
except Refused as refusal:
    print(refusal)
"""


def test_an_engine_without_any_of_the_functions_is_refused_when_a_node_is_opened(
    tmp_path: object,
) -> None:
    command = [sys.executable, "-c", WITHOUT_FUNCTIONS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"wasmtime {wasmtime_version()} has no function wasmtime_store_new" in done.stdout
