"""The folder of machine code is this user's alone, has room for so much, and never gets in the way."""

import os
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ipvm.engine import (
    ArtifactCache,
    CompiledModule,
    artifacts_path,
    compile_now,
    engine_for,
    text_to_module,
)
from ipvm.store.secret import KEY_NAME, read_or_make_key

ROOM = 2**30
NOBODY = 65_534
KEY, OTHER = b"k" * 32, b"o" * 32
SMALL = "(module)"
LARGE = '(module (memory 4) (data (i32.const 0) "a") (data (i32.const 200000) "b"))'


def compiled() -> CompiledModule:
    return compile_now(engine_for("deterministic"), text_to_module(SMALL))


class Folder:
    """A cache in a folder, with one artifact in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes_max = ROOM
        self.module = compiled()
        self.cache.store(KEY, self.module)
        self.artifact_bytes = self.file_of(KEY).stat().st_size

    @property
    def cache(self) -> ArtifactCache:
        """A cache that has just been opened, as by another process."""
        return ArtifactCache(self.path, bytes_max=self.bytes_max)

    def file_of(self, key: bytes) -> Path:
        return self.path / f"{key.hex()}.cwasm"

    def used_at(self, key: bytes, second: int) -> None:
        os.utime(self.file_of(key), (second, second))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "artifacts")


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def assert_unusable(cache: ArtifactCache, caplog: pytest.LogCaptureFixture, why: str) -> None:
    module = compiled()
    for _ in range(3):
        cache.store(KEY, module)
        assert cache.load(KEY, engine_for("deterministic")) is None
    (warning,) = told(caplog)
    assert warning.startswith("machine code is not kept for the next time: ")
    assert why in warning


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604])
def test_a_key_that_others_have_access_to_is_not_used(
    folder: Folder, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    (folder.path / KEY_NAME).chmod(mode)
    assert_unusable(folder.cache, caplog, "others have access")
    assert folder.file_of(KEY).exists()


@pytest.mark.parametrize("contents", [b"", b"k" * 31, b"k" * 33])
def test_what_is_no_key_is_not_used(
    folder: Folder, contents: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (folder.path / KEY_NAME).write_bytes(contents)
    assert_unusable(folder.cache, caplog, "is not a key")


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@as_root
@pytest.mark.parametrize("name", [".", KEY_NAME])
def test_what_belongs_to_another_user_is_not_used(
    folder: Folder, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    os.chown(folder.path / name, NOBODY, NOBODY)
    assert_unusable(folder.cache, caplog, "belongs to another user")


def test_a_file_in_place_of_the_folder_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "artifacts").touch()
    cache = ArtifactCache(tmp_path / "artifacts", bytes_max=ROOM)
    assert_unusable(cache, caplog, "artifacts")
    assert cache.statistics().artifacts == 0


def test_a_full_disk_is_told_once_and_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = ArtifactCache(tmp_path, bytes_max=ROOM)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        assert_unusable(cache, caplog, "File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [file.name for file in tmp_path.iterdir()] == [KEY_NAME]
    assert cache.statistics().problem is not None


def test_a_folder_that_goes_away_does_no_harm(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    cache = folder.cache
    assert cache.load(KEY, engine_for("deterministic")) is not None
    shutil.rmtree(folder.path)
    assert cache.load(KEY, engine_for("deterministic")) is None
    cache.store(KEY, folder.module)
    cache.store(OTHER, folder.module)
    (warning,) = told(caplog)
    assert "No such file or directory" in warning
    assert cache.statistics().artifacts == 0


def test_the_key_and_the_artifacts_are_for_this_user_alone(folder: Folder) -> None:
    assert folder.path.stat().st_mode & 0o777 == 0o700
    for file in folder.path.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600


TOGETHER = """
import sys
from pathlib import Path
from ipvm.engine import ArtifactCache, compile_now, engine_for, text_to_module
from ipvm.store.secret import read_or_make_key

folder, engine = Path(sys.argv[1]), engine_for("deterministic")
module = compile_now(engine, text_to_module(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
key = read_or_make_key(folder).hex()
cache = ArtifactCache(folder, bytes_max=2**30)
for _ in range(100):
    cache.store(b"k" * 32, module)
    assert cache.load(b"k" * 32, engine) is not None
print(key)
"""


@pytest.mark.parametrize("text", [SMALL, LARGE])
def test_processes_that_begin_together_share_a_key_and_an_artifact(
    tmp_path: Path, text: str
) -> None:
    command = [sys.executable, "-c", TOGETHER, str(tmp_path / "artifacts"), text]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    keys = [process.communicate("go\n")[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(keys)) == 1
    assert len(list((tmp_path / "artifacts").iterdir())) == 2


def test_threads_that_make_a_key_together_make_one(tmp_path: Path) -> None:
    start = threading.Barrier(8)
    keys = []

    def make() -> None:
        start.wait()
        keys.append(read_or_make_key(tmp_path))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert [file.name for file in tmp_path.iterdir()] == [KEY_NAME]


def key_number(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_what_was_not_used_for_longest_goes_first(folder: Folder) -> None:
    folder.bytes_max = 3 * folder.artifact_bytes
    cache = folder.cache
    for number in (1, 2):
        cache.store(key_number(number), folder.module)
    for second, key in enumerate((KEY, key_number(1), key_number(2))):
        folder.used_at(key, second)
    assert (
        folder.cache.load(KEY, engine_for("deterministic")) is not None
    )  # now it is the one that was used last
    cache.store(key_number(3), folder.module)
    kept = [key for key in (KEY, *map(key_number, (1, 2, 3))) if folder.file_of(key).exists()]
    assert kept == [KEY, key_number(2), key_number(3)]


@pytest.mark.parametrize(("more", "kept"), [(0, 3), (-1, 2)])
def test_the_bound_is_met_at_its_value(folder: Folder, more: int, kept: int) -> None:
    folder.bytes_max = 3 * folder.artifact_bytes + more
    for number in (1, 2):
        folder.cache.store(key_number(number), folder.module)
    statistics = folder.cache.statistics()
    assert statistics.artifacts == kept
    assert statistics.bytes == kept * folder.artifact_bytes <= statistics.bytes_max


def test_what_is_larger_than_the_bound_is_not_kept(folder: Folder) -> None:
    folder.bytes_max = folder.artifact_bytes - 1
    folder.cache.store(OTHER, folder.module)
    assert not folder.file_of(OTHER).exists()


def test_caches_that_make_room_together_do_not_fail(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.bytes_max = 4 * folder.artifact_bytes

    def fill(cache: ArtifactCache, begin: int) -> None:
        for number in range(begin, begin + 50):
            cache.store(key_number(number), folder.module)
            cache.load(key_number(number - 1), engine_for("deterministic"))

    threads = [threading.Thread(target=fill, args=(folder.cache, 100 * n)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    folder.cache.store(OTHER, folder.module)
    assert folder.cache.statistics().bytes <= folder.bytes_max
    assert told(caplog) == []


def test_what_was_never_finished_is_removed_after_an_hour(folder: Folder) -> None:
    now = int(folder.file_of(KEY).stat().st_mtime)
    for name, age in ((".new-old", 4000), (".new-young", 60), ("foreign", 10**6)):
        (folder.path / name).touch()
        os.utime(folder.path / name, (now - age, now - age))
    folder.cache.store(OTHER, folder.module)
    assert not (folder.path / ".new-old").exists()
    assert (folder.path / ".new-young").exists()
    assert (folder.path / "foreign").exists()


def test_looking_at_a_cache_makes_none(tmp_path: Path) -> None:
    statistics = ArtifactCache(tmp_path / "artifacts", bytes_max=5).statistics()
    assert (statistics.artifacts, statistics.bytes, statistics.bytes_max) == (0, 0, 5)
    assert statistics.problem is None
    assert list(tmp_path.iterdir()) == []


def test_a_variable_names_the_folder_of_caches(tmp_path: Path) -> None:
    assert artifacts_path({"IPVM_CACHE": str(tmp_path)}) == tmp_path / "artifacts"
    assert artifacts_path({"IPVM_CACHE": "~/c"}) == Path.home() / "c" / "artifacts"
    assert artifacts_path({"IPVM_CACHE": ""}).parts[-2:] == ("ipvm", "artifacts")
