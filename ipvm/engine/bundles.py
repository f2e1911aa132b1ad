"""Keep modules that are always loaded together in one artifact, with a record about them.

Opening, reading and authenticating a small artifact takes longer than loading the machine code in
it. Where there are a thousand, it is done once for all of them. What a bundle says is believed as
machine code is, for the same reason: its seal shows that a process of this user wrote it.

A bundle is a head, the record, and the artifacts, end to end. The head tells their sizes.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple, final

from ipvm.engine.artifacts import ArtifactCache
from ipvm.engine.fingerprint import bundle_key
from ipvm.engine.module import CompiledModule, InvalidArtifact, load_artifacts
from ipvm.engine.profile import engine_for
from ipvm.engine.sealed import SMALL_ARTIFACT_BYTES_MAX
from ipvm.model import Profile

__all__ = ["Bundle", "Bundles"]

_HEAD: Final = struct.Struct("<II")
"""Bytes of the record, and how many artifacts there are; the size of each follows."""
_SHARE: Final = 16
"""A bundle takes at most one part in so many of the room that there is for artifacts."""


class Bundle(NamedTuple):
    """What was kept together."""

    record: bytes
    modules: list[CompiledModule]


@final
class Bundles:
    """The bundles in a cache of artifacts. Any thread may use it."""

    def __init__(self, artifacts: ArtifactCache) -> None:
        self._artifacts = artifacts

    def has(self, name: bytes, profile: Profile) -> bool:
        """Tell whether there is a bundle. Whether it loads is open."""
        return self._artifacts.size(bundle_key(name, profile)) is not None

    def load(self, name: bytes, profile: Profile) -> Bundle | None:
        """Load a bundle, or give None if there is none that can be trusted.

        Args:
            name: All that the record and the choice of modules depend on, besides the engine.
            profile: What the modules were compiled for.
        """
        key = bundle_key(name, profile)
        contents = self._artifacts.read(key)
        if contents is None:
            return None
        try:
            return _unpacked(contents, profile)
        except (InvalidArtifact, struct.error):
            self._artifacts.remove(key)
            return None

    def store(
        self, name: bytes, profile: Profile, *, record: bytes, modules: Sequence[CompiledModule]
    ) -> None:
        """Keep a bundle, if that is possible, and the modules are as small as it is meant for."""
        size = len(record) + sum(module.size for module in modules)
        if size > self._artifacts.bytes_max // _SHARE:
            return
        if any(module.size > SMALL_ARTIFACT_BYTES_MAX for module in modules):
            return
        artifacts = [module.serialize() for module in modules]
        sizes = struct.pack(f"<{len(artifacts)}I", *map(len, artifacts))
        head = _HEAD.pack(len(record), len(artifacts)) + sizes
        self._artifacts.write(bundle_key(name, profile), [head, record, *artifacts])


def _unpacked(contents: bytes, profile: Profile) -> Bundle:
    record_bytes, count = _HEAD.unpack_from(contents)
    sizes = struct.unpack_from(f"<{count}I", contents, _HEAD.size)
    begin = _HEAD.size + 4 * count
    end = begin + record_bytes
    modules = load_artifacts(engine_for(profile), contents, sizes, offset=end)
    return Bundle(contents[begin:end], modules)
