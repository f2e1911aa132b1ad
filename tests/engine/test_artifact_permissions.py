"""A folder of machine code that this user may not read or write does no harm, and is told once."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipvm.engine import ArtifactCache, CompiledModule, compile_now, engine_for, text_to_module

NOBODY = 65_534
KEY, OTHER = b"k" * 32, b"o" * 32


def load(cache: ArtifactCache, key: bytes) -> CompiledModule | None:
    return cache.load(key, engine_for("deterministic"))


def opened(folder: Path) -> ArtifactCache:
    return ArtifactCache(folder, bytes_max=2**30)


@pytest.fixture
def module() -> CompiledModule:
    return compile_now(engine_for("deterministic"), text_to_module("(module)"))


@pytest.fixture
def folder(module: CompiledModule) -> Iterator[Path]:
    """A folder with one artifact, which belongs to a user without powers, who runs the test."""
    user = os.geteuid()
    os.seteuid(user or NOBODY)  # nothing is forbidden to root
    try:
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home) / "artifacts"
            opened(folder).store(KEY, module)
            yield folder
            folder.chmod(0o700)
    finally:
        os.seteuid(user)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_folder_that_cannot_be_written_is_read(
    folder: Path, module: CompiledModule, caplog: pytest.LogCaptureFixture
) -> None:
    folder.chmod(0o500)
    cache = opened(folder)
    assert load(cache, KEY) is not None
    for _ in range(3):
        cache.store(OTHER, module)
        assert load(cache, OTHER) is None
    (warning,) = told(caplog)
    assert "Permission denied" in warning
    statistics = cache.statistics()
    assert statistics.artifacts == 1
    assert statistics.problem is not None


@pytest.mark.parametrize("mode", [0o000, 0o100, 0o200, 0o300, 0o400, 0o600])
def test_a_folder_that_cannot_be_searched_does_no_harm(
    folder: Path, module: CompiledModule, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    folder.chmod(mode)
    cache = opened(folder)
    for _ in range(3):
        cache.store(OTHER, module)
        load(cache, KEY)
        cache.statistics()
    assert len(told(caplog)) <= 1
    folder.chmod(0o700)
    assert load(opened(folder), KEY) is not None


def test_a_folder_whose_parent_is_closed_does_no_harm(
    folder: Path, module: CompiledModule, caplog: pytest.LogCaptureFixture
) -> None:
    folder.parent.chmod(0)
    try:
        cache = opened(folder)
        cache.store(KEY, module)
        assert load(cache, KEY) is None
        assert cache.statistics().artifacts == 0
    finally:
        folder.parent.chmod(0o700)
    (warning,) = told(caplog)
    assert "Permission denied" in warning


def test_an_artifact_that_cannot_be_read_is_made_anew(folder: Path, module: CompiledModule) -> None:
    cache = opened(folder)
    (folder / f"{KEY.hex()}.cwasm").chmod(0)
    assert load(cache, KEY) is None
    cache.store(KEY, module)
    assert load(cache, KEY) is not None
