"""The functions that are measured, as WebAssembly text, one file each."""

from importlib import resources

__all__ = ["guest"]


def guest(name: str) -> str:
    """Give the text of a function."""
    return resources.files(__name__).joinpath(f"{name}.wat").read_text("utf-8")
