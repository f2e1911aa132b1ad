"""Name all that machine code depends on.

The engine's own loader looks at its version, the processor and the features of WebAssembly. It does
not look at how NaN is treated, nor at how hard the code was optimised, and runs what was compiled
another way. So the name of an artifact covers every setting.
"""

import functools
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from ipvm.engine.profile import SETTINGS, wasmtime_version
from ipvm.model import Profile
from ipvm.wasm import PREPARATION_VERSION

__all__ = ["artifact_key", "bundle_key", "surroundings"]

_BUNDLE: Final = b"\0bundle:"
"""No CID begins like this, so no bundle has the name of an artifact."""
_PROCESSORS: Final = Path("/proc/cpuinfo")
_FIRST_PROCESSOR_BYTES: Final = 8192
"""So much describes the first processor; on large machines it takes milliseconds to read of all."""
_FEATURES: Final = (b"flags", b"Features")
"""What the line of features begins with, on x86 and on ARM."""


def artifact_key(code: bytes, profile: Profile) -> bytes:
    """Name the machine code of a module in 32 bytes.

    Args:
        code: The binary CID of the module.
        profile: What it is compiled for.
    """
    return hashlib.sha256(_digest(profile) + code).digest()


def bundle_key(name: bytes, profile: Profile) -> bytes:
    """Name modules that are kept together in 32 bytes; see `ipvm.engine.bundles`.

    Args:
        name: All that what is kept depends on, besides the engine.
        profile: What the modules are compiled for.
    """
    return hashlib.sha256(_digest(profile) + _BUNDLE + name).digest()


@functools.cache
def _digest(profile: Profile) -> bytes:
    return hashlib.sha256(repr(surroundings(profile)).encode()).digest()


def surroundings(profile: Profile) -> tuple[object, ...]:
    """Give what all artifacts of a profile depend on."""
    return (
        f"wasmtime {wasmtime_version()}",
        sorted(SETTINGS[profile].items()),
        f"preparation {PREPARATION_VERSION}",
        processor_features(),
    )


def processor_features() -> str:
    """Tell what the processor can do, as the system says it."""
    features = ""
    with suppress(OSError):
        with _PROCESSORS.open("rb", buffering=0) as file:
            lines = file.read(_FIRST_PROCESSOR_BYTES).splitlines()
        features = next((repr(line) for line in lines if line.startswith(_FEATURES)), "")
    return f"{os.uname().machine} {features}"
