"""Compile WebAssembly to machine code, and text to WebAssembly.

Compiling runs on another thread, with the GIL released, and the module that comes back may be
instantiated in any store of its engine, from any thread.
"""

import ctypes
from typing import TYPE_CHECKING, Final

import trio
import wasmtime
from wasmtime import _bindings

from ipvm.engine import capi
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
    """Machine code of one module for one engine."""

    __slots__ = ("__weakref__", "_module", "address", "size")

    def __init__(self, module: wasmtime.Module) -> None:
        self._module = module
        self.address = capi.address_of(module.ptr())
        self.size = _image_bytes(module)
        """Bytes of the machine code, with the first contents of memories and tables."""

    def serialize(self) -> bytearray:
        """Give the machine code, for `load_artifact` of an engine with the same settings."""
        return self._module.serialize()


def compile_now(engine: "Engine", data: bytes) -> CompiledModule:
    """Compile a core module on this thread.

    Raises:
        NotCompiled: The engine refused it; the message is the engine's.
    """
    require_binary(data)
    try:
        return CompiledModule(wasmtime.Module(engine.wasmtime, data))
    except wasmtime.WasmtimeError as error:
        raise refusal(str(error)) from error


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
    try:
        return CompiledModule(wasmtime.Module.deserialize(engine.wasmtime, artifact))
    except wasmtime.WasmtimeError as error:
        raise InvalidArtifact(str(error)) from error


def load_artifact_file(engine: "Engine", path: str) -> CompiledModule:
    """Load machine code from a file, which must never change; see `load_artifact`."""
    try:
        return CompiledModule(wasmtime.Module.deserialize_file(engine.wasmtime, path))
    except wasmtime.WasmtimeError as error:
        raise InvalidArtifact(str(error)) from error


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


def _image_bytes(module: wasmtime.Module) -> int:
    begin, end = ctypes.c_void_p(), ctypes.c_void_p()
    _bindings.wasmtime_module_image_range(module.ptr(), ctypes.byref(begin), ctypes.byref(end))
    return (end.value or 0) - (begin.value or 0)
