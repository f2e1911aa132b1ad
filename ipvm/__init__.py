"""Publish, link and call WebAssembly functions by CID."""

__version__ = "0.1.0"
