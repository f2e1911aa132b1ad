"""Programs of the guests, loaded into a node that keeps its blocks in memory."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import ipvm
from benchmarks.guests import guest
from ipvm.model import Profile
from ipvm.testing import Library

__all__ = ["Calling", "in_memory", "living", "loaded"]


class Calling(Protocol):
    """A function of a program, in a sandbox of its own for each call or in one for all."""

    async def __call__(self, *arguments: object) -> object:
        """Call the function."""
        ...


@asynccontextmanager
async def in_memory(library: Library, *sources: ipvm.Source) -> AsyncIterator[ipvm.Node]:
    """Open a node whose store holds the blocks of a library."""
    async with ipvm.open(store=await library.store(), sources=sources, cache=False) as node:
        yield node


@asynccontextmanager
async def loaded(
    name: str,
    signature: ipvm.Signature | None = None,
    imports: Mapping[str, str] | None = None,
    *,
    profile: Profile = "deterministic",
) -> AsyncIterator[ipvm.Function]:
    """Load the function `f` of a guest.

    Args:
        name: The guest.
        signature: The type of `f` in terms of values, where it takes more than numbers.
        imports: The guests that serve its imports, by the name of the import.
        profile: How the engine is set up.
    """
    async with _published(name, signature, imports) as (node, cid):
        yield (await node.load(cid, profile=profile))["f"]


@asynccontextmanager
async def living(name: str, *, profile: Profile = "deterministic") -> AsyncIterator[Calling]:
    """Open a session of a guest, and give its function `f`."""
    async with (
        _published(name) as (node, cid),
        node.session(cid, profile=profile) as session,
    ):
        yield session["f"]


@asynccontextmanager
async def _published(
    name: str, signature: ipvm.Signature | None = None, imports: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[ipvm.Node, ipvm.Cid]]:
    library = Library()
    served = {key: library.code(guest(other)) for key, other in (imports or {}).items()}
    exports = {} if signature is None else {"f": signature}
    cid = library.manifest(guest(name), served, exports)
    async with in_memory(library) as node:
        yield node, cid
