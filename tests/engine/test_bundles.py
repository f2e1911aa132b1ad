"""Modules that are kept together are loaded as they were, or not at all."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from ipvm.engine import (
    ArtifactCache,
    Assembly,
    Attempt,
    Bundle,
    Bundles,
    CallShape,
    CompiledModule,
    Part,
    Store,
    compile_now,
    engine_for,
    text_to_module,
)
from ipvm.engine.fingerprint import artifact_key, bundle_key
from ipvm.engine.sealed import SMALL_ARTIFACT_BYTES_MAX, authenticate
from ipvm.store.secret import read_or_make_key

ROOM = 2**30
NAME, OTHER = b"a name of any length", b""
RECORD = b"what they are"


def constant(number: int) -> CompiledModule:
    text = f'(module (func (export "f") (result i32) (i32.const {number})))'
    return compile_now(engine_for("deterministic"), text_to_module(text))


MODULES = [constant(number) for number in range(5)]
LARGE = '(module (memory 4) (data (i32.const 0) "a") (data (i32.const 200000) "b"))'


class Folder:
    """A cache in a folder, with one bundle in it."""

    def __init__(self, path: Path, *, bytes_max: int = ROOM) -> None:
        self.path = path
        self.artifacts = ArtifactCache(path, bytes_max=bytes_max)
        self.bundles = Bundles(self.artifacts)
        self.bundles.store(NAME, "deterministic", record=RECORD, modules=MODULES)
        self.file = path / f"{bundle_key(NAME, 'deterministic').hex()}.cwasm"

    def load(self) -> Bundle | None:
        return self.bundles.load(NAME, "deterministic")

    def write(self, contents: bytes) -> None:
        """Put contents in the place of the bundle, under a right seal."""
        secret = read_or_make_key(self.path)
        key = bundle_key(NAME, "deterministic")
        self.file.write_bytes(contents + authenticate(secret, key, contents))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "artifacts")


def answer(module: CompiledModule) -> int:
    store = Store(engine_for("deterministic"))
    try:
        store.fuel = 1000
        assembly = Assembly(store.engine, [Part(module)])
        assembly.build(store)
        function = Attempt(CallShape((), ("i32",)))
        assembly.export_into(store, 0, b"f", function.extern)
        return int(function.call(store, ())[0])
    finally:
        store.close()


async def test_what_was_kept_together_is_loaded_and_runs(folder: Folder) -> None:
    assert folder.bundles.has(NAME, "deterministic")
    found = folder.load()
    assert found is not None
    assert found.record == RECORD
    assert [answer(module) for module in found.modules] == [0, 1, 2, 3, 4]
    assert [module.size for module in found.modules] == [module.size for module in MODULES]
    assert found.modules[1].serialize() == MODULES[1].serialize()


@pytest.mark.parametrize("count", [0, 1])
def test_a_bundle_may_be_empty(tmp_path: Path, count: int) -> None:
    bundles = Bundles(ArtifactCache(tmp_path, bytes_max=ROOM))
    bundles.store(NAME, "deterministic", record=b"", modules=MODULES[:count])
    found = bundles.load(NAME, "deterministic")
    assert found is not None
    assert (found.record, len(found.modules)) == (b"", count)


def test_a_bundle_is_found_by_its_name_and_its_profile_alone(folder: Folder) -> None:
    assert folder.bundles.load(OTHER, "deterministic") is None
    assert not folder.bundles.has(OTHER, "deterministic")
    assert folder.bundles.load(NAME, "fast") is None
    keys = {
        bundle_key(name, profile) for name in (NAME, OTHER) for profile in ("deterministic", "fast")
    }
    assert len(keys | {artifact_key(NAME, "deterministic")}) == 5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_wherever_it_is(folder: Folder, place: float, bit: int) -> None:
    folder.bundles.store(NAME, "deterministic", record=RECORD, modules=MODULES)
    changed = bytearray(folder.file.read_bytes())
    changed[int(place * len(changed))] ^= 1 << bit
    folder.file.write_bytes(changed)
    assert folder.load() is None
    assert not folder.file.exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True))
def test_a_truncated_bundle_is_found(folder: Folder, place: float) -> None:
    folder.bundles.store(NAME, "deterministic", record=RECORD, modules=MODULES)
    os.truncate(folder.file, int(place * folder.file.stat().st_size))
    assert folder.load() is None
    assert not folder.file.exists()


async def test_what_is_loaded_stays_whatever_becomes_of_the_file(folder: Folder) -> None:
    found = folder.load()
    assert found is not None
    os.truncate(folder.file, 0)
    assert answer(found.modules[3]) == 3


def test_the_bundle_of_another_name_or_folder_is_not_taken(folder: Folder, tmp_path: Path) -> None:
    folder.bundles.store(OTHER, "deterministic", record=RECORD, modules=MODULES[:1])
    (folder.path / f"{bundle_key(OTHER, 'deterministic').hex()}.cwasm").replace(folder.file)
    assert folder.load() is None
    folder.file.write_bytes(Folder(tmp_path / "other").file.read_bytes())
    assert folder.load() is None


@pytest.mark.parametrize(
    "contents",
    [b"", b"\0", bytes(8) + b"x", b"\xff" * 8, b"\0\0\0\0\1\0\0\0\xff\xff\xff\xff", b"\x7fELF" * 9],
)
def test_what_is_authentic_and_no_bundle_is_not_loaded(folder: Folder, contents: bytes) -> None:
    folder.write(contents)
    assert folder.load() is None
    assert not folder.file.exists()


def test_an_artifact_among_others_that_does_not_load_is_found(folder: Folder) -> None:
    contents = bytearray(folder.file.read_bytes()[:-32])
    place = contents.rindex(b"\x7fELF")
    contents[place : place + 4] = b"none"
    folder.write(bytes(contents))
    assert folder.load() is None
    assert not folder.file.exists()


def test_modules_that_are_loaded_fast_by_themselves_are_not_kept_together(folder: Folder) -> None:
    large = compile_now(engine_for("deterministic"), text_to_module(LARGE))
    assert large.size > SMALL_ARTIFACT_BYTES_MAX
    folder.bundles.store(OTHER, "deterministic", record=RECORD, modules=[*MODULES, large])
    assert not folder.bundles.has(OTHER, "deterministic")


@pytest.mark.parametrize(("more", "kept"), [(0, True), (-16, False)])
def test_a_bundle_takes_a_part_of_the_room_at_most(
    tmp_path: Path, more: int, *, kept: bool
) -> None:
    size = len(RECORD) + sum(module.size for module in MODULES)
    assert Folder(tmp_path, bytes_max=16 * size + more).file.exists() is kept


def test_a_bundle_counts_as_one_artifact_and_goes_as_one(folder: Folder) -> None:
    statistics = folder.artifacts.statistics()
    assert (statistics.artifacts, statistics.bytes) == (1, folder.file.stat().st_size)
    full = ArtifactCache(folder.path, bytes_max=statistics.bytes)
    full.store(artifact_key(b"later", "deterministic"), MODULES[0])
    assert not folder.file.exists()
