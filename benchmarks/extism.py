"""The rival of calls that carry bytes: a living plug-in of Extism, by its Python package."""

from importlib import import_module
from typing import Protocol

from benchmarks.guests import guest
from benchmarks.row import Unmeasurable
from ipvm.engine import text_to_module

__all__ = ["Plugin", "open_plugin"]


class Plugin(Protocol):
    """What is used of a plug-in."""

    def call(self, function: str, data: bytes) -> bytes:
        """Call a function with bytes, and give the bytes that it set as its output."""
        ...


def open_plugin(name: str) -> Plugin:
    """Open a guest that is written for Extism.

    Raises:
        Unmeasurable: Extism is not installed.
    """
    try:
        extism = import_module("extism")
    except ModuleNotFoundError as missing:
        raise Unmeasurable("extism is not installed; pip install 'ipvm[bench]' has it") from missing
    plugin: Plugin = extism.Plugin({"wasm": [{"data": text_to_module(guest(name))}]})
    return plugin
