"""The rival of calls that carry bytes: plug-ins of Extism, by its Python package."""

from collections.abc import Callable
from importlib import import_module
from typing import Final, Protocol

from benchmarks.guests import guest
from benchmarks.measure import Side
from benchmarks.row import Unmeasurable
from ipvm.engine import text_to_module

__all__ = ["EXTISM", "Plugin", "calling", "open_plugin", "renewing"]

EXTISM: Final = "extism"


class Plugin(Protocol):
    """What is used of a plug-in."""

    def call(self, function: str, data: bytes) -> bytes:
        """Call a function with bytes, and give the bytes that it set as its output."""
        ...


class _Extism(Protocol):
    """What is used of the package."""

    Plugin: Callable[[object], Plugin]
    CompiledPlugin: Callable[[object], object]


def open_plugin(name: str) -> Plugin:
    """Open a guest that is written for Extism.

    Raises:
        Unmeasurable: Extism is not installed.
    """
    return _extism().Plugin(_manifest(name))


def calling(name: str, data: bytes) -> Side:
    """Give the side that calls the function `f` of one living plug-in.

    Raises:
        Unmeasurable: Extism is not installed.
    """
    plugin = open_plugin(name)

    async def side(times: int) -> None:
        for _ in range(times):
            bytes(plugin.call("f", data))

    return side


def renewing(name: str, data: bytes) -> Side:
    """Give the side that makes a plug-in for each call, of code that is compiled once.

    Raises:
        Unmeasurable: Extism is not installed.
    """
    extism = _extism()
    compiled = extism.CompiledPlugin(_manifest(name))

    async def side(times: int) -> None:
        for _ in range(times):
            bytes(extism.Plugin(compiled).call("f", data))

    return side


def _manifest(name: str) -> object:
    return {"wasm": [{"data": text_to_module(guest(name))}]}


def _extism() -> _Extism:
    try:
        extism = import_module("extism.extism")  # the package does not export CompiledPlugin
    except ModuleNotFoundError as missing:
        raise Unmeasurable("extism is not installed; pip install 'ipvm[bench]' has it") from missing
    found: _Extism = extism
    return found
