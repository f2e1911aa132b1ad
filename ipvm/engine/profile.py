"""The two engines of a process, built from constants and from nothing else.

An engine is never configured from a request: an inconsistent `Config` aborts the process inside
wasmtime, and a result is only comparable when everybody who names a profile means the same engine.
`deterministic` meters by fuel, which also cuts time slices, and makes NaN bits canonical. `fast` has
neither and is stopped by epochs.
"""

import atexit
import contextlib
import faulthandler
import functools
import os
import re
import resource
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import wasmtime
from wasmtime._managed import Managed

from ipvm.engine import capi
from ipvm.engine.compile_worker import Settings, configure
from ipvm.engine.ticker import Ticker
from ipvm.model import Profile

__all__ = [
    "PROFILES",
    "SETTINGS",
    "STACK_LIMIT",
    "WASMTIME_MAJOR",
    "WASM_STACK_BYTES",
    "Engine",
    "engine_for",
    "wasmtime_version",
]

PROFILES: Final[tuple[Profile, ...]] = ("deterministic", "fast")

WASMTIME_MAJOR: Final = 50
"""The wasmtime whose structures `capi` knows. Fuel is comparable only within one major version."""

WASM_STACK_BYTES: Final = 512 * 1024
"""Stack of guest code. Running out of it is a condition of the runner, never a result."""
STACK_LIMIT: Final = "wasm_stack_bytes"
"""The name of that limit in messages."""
FIBER_STACK_BYTES: Final = 2 * 1024 * 1024
"""Stack of one suspended guest, reserved and not committed: guest code plus our host functions."""

_DISTRIBUTION: Final = re.compile(r"wasmtime-([\w.+!]+)\.dist-info")

_SHARED: Final[Settings] = {
    "strategy": "cranelift",
    "cranelift_opt_level": "speed",
    "max_wasm_stack": WASM_STACK_BYTES,
    "async_stack_size": FIBER_STACK_BYTES,
    "wasm_threads": False,
    "wasm_relaxed_simd": False,
    "wasm_gc": False,
    "wasm_exceptions": False,
    "wasm_memory64": False,
    "wasm_wide_arithmetic": False,
    "wasm_stack_switching": False,
    "wasm_simd": True,
    "wasm_bulk_memory": True,
    "wasm_multi_memory": True,
    "wasm_multi_value": True,
    "wasm_reference_types": True,
    "wasm_tail_call": True,
}
SETTINGS: Final[Mapping[Profile, Settings]] = MappingProxyType(
    {
        "deterministic": {
            "consume_fuel": True,
            "cranelift_nan_canonicalization": True,
            "epoch_interruption": False,
            **_SHARED,
        },
        "fast": {
            "consume_fuel": False,
            "cranelift_nan_canonicalization": False,
            "epoch_interruption": True,
            **_SHARED,
        },
    }
)
"""All that is set of each engine. Compilers in other processes and keys of artifacts are made of it."""


class Engine:
    """A wasmtime engine of one profile, alive until the process ends.

    Attributes:
        metered: Whether it counts fuel.
    """

    def __init__(self, profile: Profile, config: wasmtime.Config) -> None:
        self.profile: Profile = profile
        self.metered = profile == "deterministic"
        self.wasmtime = wasmtime.Engine(config)
        self.address = capi.address_of(self.wasmtime.ptr())
        self.ticker = Ticker(self.address)


def engine_for(profile: Profile) -> Engine:
    """Give the engine of a profile; the same object for the whole process.

    It may be called on any thread. What was made for one engine ends the process when it is used
    with another, so threads that ask for the first time together must get the same one.
    """
    engine = _ENGINES.get(profile)
    if engine is None:
        with _ENGINES_LOCK:
            engine = _ENGINES.get(profile)
            if engine is None:
                _enable_faulthandler()
                _allow_many_files()
                engine = _ENGINES[profile] = Engine(profile, configure(SETTINGS[profile]))
    return engine


_ENGINES: Final[dict[Profile, Engine]] = {}
_ENGINES_LOCK: Final = threading.Lock()


@functools.cache
def wasmtime_version() -> str:
    """Give the version of the installed wasmtime.

    It stands in the name of the folder beside the package. Where that is not so, or there are two,
    `importlib.metadata` knows; importing it takes as long as loading the engine.
    """
    beside = os.listdir(Path(wasmtime.__file__).parent.parent)  # noqa: PTH208 - names are enough
    versions = [found[1] for found in map(_DISTRIBUTION.fullmatch, beside) if found]
    if len(versions) == 1:
        return versions[0]
    from importlib import metadata  # noqa: PLC0415 - see above

    return metadata.version("wasmtime")


@atexit.register
def _leave_the_rest_to_the_system() -> None:
    """Free nothing more: the process ends.

    wasmtime-py frees what is left when the interpreter takes its modules apart, finds its own
    functions gone, and prints an error for each engine and module.
    """
    Managed.__del__ = lambda _managed: None  # type: ignore[method-assign]


def _enable_faulthandler() -> None:
    """Install faulthandler before wasmtime installs its signal handlers.

    Enabled afterwards, it takes the signal of the next out-of-bounds access for a crash and ends
    the process. So it is left alone where somebody has made an engine before us. Where standard
    error has no descriptor there is nothing to install it on.
    """
    if not faulthandler.is_enabled() and sys.stderr is not None and not _is_segfault_caught():
        with contextlib.suppress(OSError, ValueError, AttributeError):
            faulthandler.enable()


def _is_segfault_caught() -> bool:
    """Tell whether there is a handler for SIGSEGV; Python itself knows only of its own."""
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return False
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGSEGV - 1) & 1)


def _allow_many_files() -> None:
    """Let the process open as many files as it may.

    The first pages of each module with data are a file in memory, from which its instances are
    mapped. It stays open as long as the module is loaded, and a usual soft limit is 1024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
