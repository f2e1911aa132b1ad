"""An engine that is not the known one is refused before it runs anything."""

from collections.abc import Iterator

import pytest

from ipvm.engine import WASMTIME_MAJOR, selftest, wasmtime_version
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
