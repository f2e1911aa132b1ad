"""Compile WebAssembly to machine code, and text to WebAssembly.

Compiling runs on another thread, with the GIL released, and the module that comes back may be
instantiated in any store of its engine, from any thread.
"""

import atexit
import ctypes
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import trio
import wasmtime

from ipvm.engine import capi
from ipvm.engine.trap import read_failure
from ipvm.errors import InvalidData

if TYPE_CHECKING:
    from ipvm.engine.profile import Engine

__all__ = [
    "CompiledModule",
    "InvalidArtifact",
    "InvalidText",
    "NotCompiled",
    "compile_module",
    "compile_now",
    "load_artifact",
    "load_artifact_file",
    "load_artifacts",
    "refusal",
    "require_binary",
    "text_to_module",
    "validate",
]

_MAGIC: Final = b"\0asm"
_LINE_SHOWN_MAX: Final = 200


class NotCompiled(InvalidData):
    """The engine refused a module: it is not valid, or needs a feature that the profile lacks."""


class InvalidArtifact(Exception):
    """Machine code cannot be loaded. Whoever kept it compiles anew."""


class InvalidText(InvalidData):
    """WebAssembly text does not parse. The message shows the place."""


class CompiledModule:
    """Machine code of one module for one engine. It owns the `wasmtime_module_t` at its address."""

    __slots__ = ("__weakref__", "address", "size")

    def __init__(self, address: int, size: int) -> None:
        self.address = address
        self.size = size
        """Bytes of the machine code, with the first contents of memories and tables; as many as
        `serialize` gives."""

    def __del__(self, *, _delete: Callable[[int], int] = capi.module_delete) -> None:
        _delete(self.address)

    def serialize(self) -> bytearray:
        """Give the machine code, for `load_artifact` of an engine with the same settings."""
        contents = (ctypes.c_size_t * 2)()  # wasm_byte_vec_t: how many bytes, and where
        at = ctypes.addressof(contents)
        fault = read_failure(capi.module_serialize(self.address, at), None)
        if fault is not None:
            raise fault
        size, start = contents
        try:
            return bytearray((ctypes.c_uint8 * size).from_address(start))
        finally:
            capi.bytes_delete(at)


@atexit.register
def _leave_the_rest_to_the_system() -> None:
    """Free nothing more: the process ends, and unmapping a thousand modules takes time."""
    del CompiledModule.__del__


def compile_now(engine: "Engine", data: bytes) -> CompiledModule:
    """Compile a core module on this thread.

    Raises:
        NotCompiled: The engine refused it; the message is the engine's.
    """
    require_binary(data)
    made = ctypes.c_void_p()
    failure = capi.module_new(engine.address, data, len(data), ctypes.addressof(made))
    if failure:
        fault = read_failure(failure, None)
        raise refusal(str(fault)) from fault
    return _sized(made.value or 0)


def require_binary(data: bytes) -> None:
    """Refuse what wasmtime-py would take for text, and assemble.

    Raises:
        NotCompiled: The bytes do not begin as a module does.
    """
    if not data.startswith(_MAGIC):
        raise NotCompiled("the engine refuses the module: it does not begin as WebAssembly does")


def load_artifact(engine: "Engine", artifact: bytes) -> CompiledModule:
    """Load machine code. It is run as it is: it must come from a compiler of ours, unchanged.

    Raises:
        InvalidArtifact: It is none, or was not made for this engine and this processor.
    """
    return load_artifacts(engine, artifact, [len(artifact)])[0]


def load_artifacts(
    engine: "Engine", contents: bytes, sizes: Sequence[int], *, offset: int = 0
) -> list[CompiledModule]:
    """Load machine code that lies end to end; see `load_artifact`.

    Args:
        engine: Where the modules will run.
        contents: The bytes that it is in. The engine copies it.
        sizes: The bytes of each module.
        offset: Where the first begins. The last ends with the contents.
    """
    if offset + sum(sizes) != len(contents):
        raise InvalidArtifact("there is more or less of it than there should be")
    start = capi.address_of(ctypes.c_char_p(contents)) + offset
    made = ctypes.c_void_p()
    at = ctypes.addressof(made)
    modules: list[CompiledModule] = []
    for size in sizes:
        _require_loaded(capi.module_deserialize(engine.address, start, size, at))
        modules.append(CompiledModule(made.value or 0, size))
        start += size
    return modules


def load_artifact_file(engine: "Engine", path: str) -> CompiledModule:
    """Load machine code from a file, which must never change; see `load_artifact`."""
    made = ctypes.c_void_p()
    at = ctypes.addressof(made)
    _require_loaded(capi.module_deserialize_file(engine.address, path.encode(), at))
    return _sized(made.value or 0)


def _require_loaded(failure: int) -> None:
    if failure:
        fault = read_failure(failure, None)
        raise InvalidArtifact(str(fault)) from fault


def validate(engine: "Engine", data: bytes) -> None:
    """Find out whether the engine would compile a core module, in a fraction of the time.

    Raises:
        NotCompiled: It would refuse it; the message is the engine's.
    """
    try:
        wasmtime.Module.validate(engine.wasmtime, data)
    except wasmtime.WasmtimeError as error:
        raise refusal(str(error)) from error


async def compile_module(engine: "Engine", data: bytes) -> CompiledModule:
    """Compile a core module without holding up the trio thread; see `compile_now`."""
    return await trio.to_thread.run_sync(compile_now, engine, data)


def text_to_module(text: str) -> bytes:
    """Assemble WebAssembly text.

    Raises:
        InvalidText: It does not parse.
    """
    try:
        return bytes(wasmtime.wat2wasm(text))
    except UnicodeEncodeError as error:
        raise InvalidText("the text is not Unicode: it holds half a surrogate pair") from error
    except wasmtime.WasmtimeError as error:
        raise InvalidText(_shortened(str(error).strip())) from error


def _shortened(message: str) -> str:
    """Cut the line of the text that wasmtime shows, which may be all of it."""
    return "\n".join(line[:_LINE_SHOWN_MAX] for line in message.splitlines())


def refusal(message: str) -> NotCompiled:
    """Say why a module is refused, without the generic head that wasmtime puts before the reason."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    reasons = [line for line in lines if line[:2] in {"0:", "1:"}]
    text = reasons[-1][2:].strip() if reasons else " ".join(lines)
    text = text.rpartition("Caused by: ")[2]
    return NotCompiled(f"the engine refuses the module: {text}")


def _sized(module: int) -> CompiledModule:
    bounds = (ctypes.c_size_t * 2)()
    begin = ctypes.addressof(bounds)
    capi.module_image_range(module, begin, begin + ctypes.sizeof(ctypes.c_size_t))
    return CompiledModule(module, bounds[1] - bounds[0])
