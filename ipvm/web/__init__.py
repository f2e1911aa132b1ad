"""Serve blocks to anyone who speaks HTTP: the raw blocks of a trustless gateway."""

from ipvm.web.serving import serve

__all__ = ["serve"]
