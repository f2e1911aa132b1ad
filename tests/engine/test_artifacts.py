"""Machine code that was kept is loaded if it is what was kept, and is otherwise as if it were not."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ipvm.engine import (
    PROFILES,
    ArtifactCache,
    Assembly,
    Attempt,
    CallShape,
    CompiledModule,
    Part,
    Store,
    compile_now,
    engine_for,
    sealed,
    text_to_module,
)
from ipvm.engine.fingerprint import artifact_key, surroundings
from ipvm.engine.module import InvalidArtifact
from ipvm.engine.profile import SETTINGS
from ipvm.store.secret import read_or_make_key
from ipvm.wasm import PREPARATION_VERSION, prepare, read_module

ROOM = 2**30
KEY, OTHER = b"k" * 32, b"o" * 32
TEXTS = {
    "read": '(module (func (export "f") (result i32) (i32.const 7)))',
    "mapped": """(module (memory 4) (data (i32.const 0) "a") (data (i32.const 200000) "b")
      (func (export "f") (result i32) (i32.const 7)))""",
}
"""Modules whose machine code is loaded in each of the two ways."""
PREPARED = "0061736d010000000104016000000303020000071202016700010a6970766d3a737461727400000a070202000b02000b0012046e616d650005046e616d65010401000166"


def compiled(way: str) -> CompiledModule:
    return compile_now(engine_for("deterministic"), text_to_module(TEXTS[way]))


class Folder:
    """A cache in a folder, with one artifact in it."""

    def __init__(self, path: Path, way: str = "read", *, bytes_max: int = ROOM) -> None:
        self.path = path
        self.bytes_max = bytes_max
        self.module = compiled(way)
        self.file = self.file_of(KEY)
        self.cache.store(KEY, self.module)
        self.contents = self.file.read_bytes()

    @property
    def cache(self) -> ArtifactCache:
        """A cache that has just been opened, as by another process."""
        return ArtifactCache(self.path, bytes_max=self.bytes_max)

    def file_of(self, key: bytes) -> Path:
        return self.path / f"{key.hex()}.cwasm"

    def load(self, key: bytes = KEY) -> CompiledModule | None:
        return self.cache.load(key, engine_for("deterministic"))

    def load_with(self, contents: bytes) -> CompiledModule | None:
        self.file.write_bytes(contents)
        return self.load()


@pytest.fixture(params=TEXTS)
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Folder:
    return Folder(tmp_path / "artifacts", request.param)


@pytest.fixture(scope="module")
def folders() -> Iterator[dict[str, Folder]]:
    with TemporaryDirectory() as path:
        yield {way: Folder(Path(path) / way, way) for way in TEXTS}


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


async def test_what_was_kept_is_loaded_and_runs(folder: Folder) -> None:
    module = folder.load()
    assert module is not None
    assert module.serialize() == folder.module.serialize()
    assert module.size == len(folder.contents) - sealed.MAC_BYTES
    assert answer(module) == 7


def test_the_two_ways_to_load_are_both_tried(folders: dict[str, Folder]) -> None:
    sizes = {way: len(folder.contents) for way, folder in folders.items()}
    assert sizes["read"] < sealed.SMALL_ARTIFACT_BYTES_MAX < sizes["mapped"]
    assert sealed._SEALABLE is (sys.platform == "linux")


async def test_what_is_loaded_stays_whatever_becomes_of_the_file(folder: Folder) -> None:
    module = folder.load()
    assert module is not None
    with folder.file.open("r+b") as file:
        file.write(bytes(len(folder.contents)))
        file.truncate(0)
    assert answer(module) == 7
    assert folder.load() is None


@pytest.mark.parametrize("way", TEXTS)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_wherever_it_is(
    way: str, place: float, bit: int, folders: dict[str, Folder]
) -> None:
    folder = folders[way]
    changed = bytearray(folder.contents)
    changed[int(place * len(changed))] ^= 1 << bit
    assert folder.load_with(bytes(changed)) is None
    assert not folder.file.exists()


@pytest.mark.parametrize("way", TEXTS)
@given(place=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_found(way: str, place: float, folders: dict[str, Folder]) -> None:
    folder = folders[way]
    assert folder.load_with(folder.contents[: int(place * len(folder.contents))]) is None
    assert not folder.file.exists()


@pytest.mark.parametrize("shrunk", [1, 40_000, 190_000])
def test_a_file_that_shrinks_while_it_is_read_is_found(folder: Folder, shrunk: int) -> None:
    secret = read_or_make_key(folder.path)
    size = len(folder.contents)
    os.truncate(folder.file, max(size - shrunk, 0))
    with folder.file.open("rb") as file, pytest.raises(InvalidArtifact):
        sealed.load_authentic(
            file.fileno(), size, secret=secret, key=KEY, engine=engine_for("deterministic")
        )


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33])
def test_a_file_that_is_too_short_is_none(folder: Folder, size: int) -> None:
    assert folder.load_with(folder.contents[:size]) is None
    assert not folder.file.exists()


def test_a_file_that_grew_is_found(folder: Folder) -> None:
    assert folder.load_with(folder.contents + b"\0") is None
    assert folder.load_with(b"\0" + folder.contents) is None


def test_the_artifact_of_another_module_is_not_taken_for_it(folder: Folder) -> None:
    folder.cache.store(OTHER, compile_now(engine_for("deterministic"), text_to_module("(module)")))
    folder.file_of(OTHER).replace(folder.file)
    assert folder.load() is None
    assert not folder.file.exists()


def test_the_artifact_of_another_folder_is_not_taken(folder: Folder, tmp_path: Path) -> None:
    assert folder.load_with(Folder(tmp_path / "other").contents) is None


@pytest.mark.parametrize("contents", [b"none", b"\x7fELF" + bytes(100_000)])
def test_what_is_authentic_and_no_machine_code_is_not_loaded(
    folder: Folder, contents: bytes
) -> None:
    secret = read_or_make_key(folder.path)
    assert folder.load_with(contents + sealed.authenticate(secret, KEY, contents)) is None
    assert not folder.file.exists()


@pytest.mark.parametrize(
    ("found", "other"),
    [
        (b"\x0250\x18", b"\x0249\x18"),
        (b"\x0250\x18", b"\x0251\x18"),
        (b"x86_64-unknown", b"x86_65-unknown"),
        (b".wasmtime.engine", b".wasmtime.motors"),
    ],
)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="it is about artifacts of this machine")
def test_what_another_wasmtime_or_machine_made_is_not_loaded(
    folder: Folder, found: bytes, other: bytes
) -> None:
    artifact = folder.contents[: -sealed.MAC_BYTES]
    assert found in artifact
    foreign = artifact.replace(found, other)
    seal = sealed.authenticate(read_or_make_key(folder.path), KEY, foreign)
    assert folder.load_with(foreign + seal) is None
    assert not folder.file.exists()


def test_the_artifact_of_another_profile_is_not_loaded(folder: Folder) -> None:
    assert folder.cache.load(KEY, engine_for("fast")) is None


def test_a_name_covers_all_that_machine_code_depends_on() -> None:
    assert len({artifact_key(code, each) for code in (b"a", b"b") for each in PROFILES}) == 4
    for profile in PROFILES:
        version, settings, preparation, features = map(str, surroundings(profile))
        assert version.startswith("wasmtime 50.")
        assert all(f"{each!r}" in settings for each in SETTINGS[profile].items())
        assert preparation == f"preparation {PREPARATION_VERSION}"
        assert os.uname().machine in features


def test_the_version_of_the_preparation_is_raised_when_it_gives_other_bytes() -> None:
    data = text_to_module('(module $m (func $f) (func (export "g")) (start $f))')
    assert PREPARATION_VERSION == 1
    assert prepare(data, read_module(data), module_name="name").hex() == PREPARED


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "huge"])
def test_what_only_looks_like_an_artifact_is_none(folder: Folder, kind: str) -> None:
    folder.file.unlink()
    if kind == "folder":
        folder.file.mkdir()
    elif kind == "pipe":
        os.mkfifo(folder.file)
    elif kind == "link":
        (folder.path / "elsewhere").write_bytes(folder.contents)
        folder.file.symlink_to("elsewhere")
    else:
        folder.file.touch()
        os.truncate(folder.file, ROOM + 1)
    assert folder.load() is None
    folder.cache.store(KEY, folder.module)
    assert (folder.load() is None) == (kind == "folder")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_file_of_another_user_is_not_removed(folder: Folder) -> None:
    folder.file.write_bytes(b"changed")
    os.chown(folder.file, 65534, 65534)
    assert folder.load() is None
    assert folder.file.exists()
