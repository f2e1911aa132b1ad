"""Modules that belong to this package itself: made once in a process, and kept like all others.

They are as much a part of the process as its engines, and no invocation can change them. So it is said
once for the process where their machine code is kept; until then, and where nobody says it, each
process compiles them anew, which takes some milliseconds.
"""

import hashlib
import threading
from collections.abc import Callable
from typing import Final

from ipvm.engine.artifacts import ArtifactCache
from ipvm.engine.fingerprint import artifact_key
from ipvm.engine.module import CompiledModule, compile_now
from ipvm.engine.profile import engine_for
from ipvm.model import Profile

__all__ = ["fixed_module", "keep_fixed_modules"]

_NAME: Final = b"\0fixed:"
"""No CID begins like this, so no fixed module has the name of another."""
_LOCK: Final = threading.Lock()
_CACHES: Final[list[ArtifactCache]] = []


def keep_fixed_modules(artifacts: ArtifactCache) -> None:
    """Say where the machine code of fixed modules is kept; who says it first decides."""
    with _LOCK:
        if not _CACHES:
            _CACHES.append(artifacts)


def fixed_module(profile: Profile, source: str, make: Callable[[], bytes]) -> CompiledModule:
    """Load a fixed module, or compile it. Whoever needs it more than once holds on to it.

    Args:
        profile: What it is compiled for.
        source: All that it is made of, besides the version of the preparation and the engine.
        make: Gives the bytes for the engine, if they are needed.
    """
    engine = engine_for(profile)
    name = _NAME + hashlib.sha256(source.encode()).digest()
    key = artifact_key(name, profile)
    for artifacts in _CACHES:
        module = artifacts.load(key, engine)
        if module is not None:
            return module
    module = compile_now(engine, make())
    for artifacts in _CACHES:
        artifacts.store(key, module)
    return module
