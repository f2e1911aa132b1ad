"""Keep machine code on the disk, so that a module which was compiled once is never compiled again.

All processes of a user share one folder: a key, and a file for each artifact, named by all that the
machine code depends on (`fingerprint`). A file is written aside and renamed, so it appears whole;
nobody waits for the disk, because what a crash cuts off does not authenticate. Whatever is wrong
with a file, it is as if it were not there, and it is removed. Whatever is wrong with the folder, it
is as if there were none, and that is logged once.

The folder is kept within its bound by whoever writes. A process counts what it has written itself and
looks at the folder when that is a sixteenth of the bound, and the first time; so the bound is passed
by a sixteenth at most for each process that writes.
"""

import contextlib
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, final

from ipvm.engine.module import CompiledModule, InvalidArtifact
from ipvm.engine.profile import Engine
from ipvm.engine.sealed import MAC_BYTES, authenticate, load_authentic, read_authentic
from ipvm.store import platform_folder
from ipvm.store.secret import UnusableFolder, fresh_name, read_or_make_key

__all__ = ["VARIABLE", "ArtifactCache", "ArtifactStatistics", "artifacts_path"]

VARIABLE: Final = "IPVM_CACHE"
"""Environment variable that names the folder of caches."""

_LOG: Final = logging.getLogger(__name__)
_SUFFIX: Final = ".cwasm"
_NEW: Final = ".new-"
"""What names of files begin with that are being written."""
_NEW_SECONDS_MAX: Final = 3600
"""After so long a file that is being written has been given up."""
_SHARE: Final = 16
_NANOSECONDS: Final = 1_000_000_000

_T = TypeVar("_T")


def artifacts_path(environ: Mapping[str, str]) -> Path:
    """Return the folder of artifacts; it need not exist, and is not made.

    It stands in the folder that `IPVM_CACHE` names, else in the cache folder of the platform.
    """
    named = environ.get(VARIABLE)
    if named:
        return Path(named).expanduser() / "artifacts"
    return platform_folder("cache", environ) / "artifacts"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactStatistics:
    """What a cache holds.

    Attributes:
        path: Its folder.
        artifacts: How many.
        bytes: Their size on the disk.
        bytes_max: The bound on that.
        problem: Why nothing is kept, else None.
    """

    path: Path
    artifacts: int
    bytes: int
    bytes_max: int
    problem: str | None


@dataclass(frozen=True, slots=True, order=True)
class _File:
    used: int
    """When it was last used, in nanoseconds."""
    size: int
    name: str


@final
class ArtifactCache:
    """The artifacts of one folder. Any thread may use it, and any number of processes."""

    def __init__(self, folder: Path, *, bytes_max: int) -> None:
        self._folder = folder
        self.bytes_max = bytes_max
        self._lock = threading.Lock()
        self._secret: bytes | None = None
        self._problem: str | None = None
        self._uncounted = bytes_max
        """Bytes that were written since the folder was looked at; at first it never was."""

    def size(self, key: bytes) -> int | None:
        """Tell the bytes of an artifact, or None if there is none. Whether it loads is open."""
        try:
            return os.stat(self._path(key)).st_size  # noqa: PTH116 - each load asks
        except OSError:
            return None

    def load(self, key: bytes, engine: Engine) -> CompiledModule | None:
        """Load an artifact, or give None if there is none that can be trusted.

        Args:
            key: What `artifact_key` gave for the module and the profile of the engine.
            engine: Where the module will run.
        """
        return self._taken(
            key,
            lambda descriptor, size, secret: load_authentic(
                descriptor, size, secret=secret, key=key, engine=engine
            ),
        )

    def store(self, key: bytes, module: CompiledModule) -> None:
        """Keep an artifact, if that is possible. Others go if there is no room."""
        if module.size + MAC_BYTES <= self.bytes_max:
            self.write(key, [module.serialize()])

    def read(self, key: bytes) -> bytes | None:
        """Give what was kept by `write`, or None if there is nothing that can be trusted."""
        return self._taken(
            key,
            lambda descriptor, size, secret: read_authentic(
                descriptor, size, secret=secret, key=key
            ),
        )

    def write(self, key: bytes, parts: Sequence[bytes | bytearray]) -> None:
        """Keep bytes like an artifact: under the same seal, and within the same bound.

        Args:
            key: A name of 32 bytes that no artifact has.
            parts: What to keep, end to end.
        """
        secret = self._key()
        size = sum(map(len, parts)) + MAC_BYTES
        if secret is None or size > self.bytes_max:
            return
        new = self._folder / f"{_NEW}{fresh_name()}"
        try:
            try:
                _write(new, [*parts, authenticate(secret, key, *parts)])
                new.replace(self._path(key))
            except OSError:
                new.unlink(missing_ok=True)
                raise
            self._make_room(size)
        except OSError as error:
            self._tell(str(error))

    def statistics(self) -> ArtifactStatistics:
        """Tell what there is. It looks at the folder."""
        files: list[_File] = []
        try:
            if self._folder.exists():
                self._key()
                files = list(self._files())
        except OSError as error:
            self._tell(str(error))
        return ArtifactStatistics(
            path=self._folder,
            artifacts=len(files),
            bytes=sum(file.size for file in files),
            bytes_max=self.bytes_max,
            problem=self._problem,
        )

    def _taken(self, key: bytes, take: Callable[[int, int, bytes], _T]) -> _T | None:
        """Open a file, take what is in it, and note that it was used."""
        secret = self._key()
        if secret is None:
            return None
        path = self._path(key)
        try:
            with _opened(path, bytes_max=self.bytes_max) as (descriptor, size):
                taken = take(descriptor, size, secret)
                with contextlib.suppress(OSError):
                    os.utime(descriptor)
                return taken
        except InvalidArtifact:
            self.remove(key)
        except OSError:
            pass
        return None

    def remove(self, key: bytes) -> None:
        """Remove an artifact that is of no use."""
        _remove_own(self._path(key))

    def _path(self, key: bytes) -> str:
        return f"{self._folder}/{key.hex()}{_SUFFIX}"

    def _key(self) -> bytes | None:
        """Give the key of the folder, or None if there is no use in it."""
        if self._secret is None and self._problem is None:
            try:
                self._secret = read_or_make_key(self._folder)  # threads that ask together agree
            except UnusableFolder as unusable:
                self._tell(str(unusable))
        return self._secret

    def _tell(self, problem: str) -> None:
        if self._problem is None:
            self._problem = problem
            _LOG.warning("machine code is not kept for the next time: %s", problem)

    def _make_room(self, written: int) -> None:
        """Take files that were not used for long, if there is reason to look."""
        with self._lock:
            self._uncounted += written
            if self._uncounted < self.bytes_max // _SHARE:
                return
            self._uncounted = 0
            files = sorted(self._files())
            held = sum(file.size for file in files)
            for file in files:
                if held <= self.bytes_max:
                    break
                _remove_own(f"{self._folder}/{file.name}")
                held -= file.size

    def _files(self) -> Iterator[_File]:
        """Give the artifacts in the folder, and remove what was never finished."""
        unfinished: list[_File] = []
        latest = 0
        with os.scandir(self._folder) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:  # another process took it
                    continue
                file = _File(status.st_mtime_ns, status.st_size, entry.name)
                latest = max(latest, file.used)
                if entry.name.endswith(_SUFFIX):
                    yield file
                elif entry.name.startswith(_NEW):
                    unfinished.append(file)
        for file in unfinished:
            if latest - file.used > _NEW_SECONDS_MAX * _NANOSECONDS:
                _remove_own(f"{self._folder}/{file.name}")


@contextlib.contextmanager
def _opened(path: str, *, bytes_max: int) -> Iterator[tuple[int, int]]:
    """Open a file, and nothing that only looks like one; give its descriptor and its size.

    Raises:
        InvalidArtifact: It is no file, or larger than any artifact.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > bytes_max:
            raise InvalidArtifact("not a file, or too large")
        yield descriptor, status.st_size
    finally:
        os.close(descriptor)


def _write(path: Path, parts: Sequence[bytes | bytearray]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - it is a descriptor
        for part in parts:
            rest = memoryview(part)
            while rest:
                rest = rest[file.write(rest) :]


def _remove_own(path: str) -> None:
    """Remove a file of this user, if it is still there."""
    with contextlib.suppress(OSError):
        if os.stat(path, follow_symlinks=False).st_uid == os.geteuid():  # noqa: PTH116
            os.unlink(path)  # noqa: PTH108 - the path is text, for the sake of `load`
