"""Fetch the closure of a root: the loop around the planner."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

import trio

from ipvm.errors import IpvmError
from ipvm.exchange import BlockService
from ipvm.ipld import DAG_CBOR, DAG_JSON, DAG_PB, Block, BlockNotFound, Cid
from ipvm.limits import Limits
from ipvm.linker import Planner

__all__ = ["BlockGetter", "gather", "resolved"]

_T = TypeVar("_T")
_INLINE_BYTES: Final = 256 * 1024
"""Bytes of records and modules that are read in a few milliseconds."""
_LINKING: Final = frozenset({DAG_CBOR, DAG_JSON, DAG_PB})
"""Codecs of roots that can have more blocks behind them, which may come in one answer."""
_NO_BLOCKS: Final[Mapping[Cid, Block]] = MappingProxyType({})


class BlockGetter(Protocol):
    """What blocks are fetched from."""

    async def get(self, cid: Cid) -> Block:
        """Give the verified block; see `ipvm.exchange.BlockService.get`."""
        ...


async def gather(
    root: Cid, blocks: BlockGetter, *, limits: Limits, extra: Mapping[Cid, Block] = _NO_BLOCKS
) -> Planner:
    """Feed a planner until nothing is missing but what nobody has.

    Args:
        root: A manifest or code.
        blocks: Where blocks come from.
        limits: Bounds of the closure, and of the fetches that are under way at once.
        extra: Blocks that are at hand and not yet stored.

    Raises:
        Unavailable: Nobody answered in time for a block.
        BlockMismatch: What came for a block is not that block.
    """
    planner = Planner(root, limits=limits)
    if isinstance(blocks, BlockService) and root.codec in _LINKING and root not in extra:
        try:
            planner.feed(await blocks.fetch_ahead(root, bytes_max=limits.closure_bytes_max))
        except BlockNotFound as error:
            planner.absent(error)
    looked_at = 0
    while missing := await _apart(planner.missing, size=planner.block_bytes - looked_at):
        looked_at = planner.block_bytes
        for cid in missing:
            if cid in extra:
                planner.feed(extra[cid])
        await _fetch([cid for cid in missing if cid not in extra], planner, blocks)
    return planner


async def resolved(planner: Planner, resolve: Callable[[Planner], _T]) -> _T:
    """Make a plan or a survey of what was gathered, without holding up the loop."""
    return await _apart(partial(resolve, planner), size=planner.block_bytes)


async def _apart(work: Callable[[], _T], *, size: int) -> _T:
    """Do work on so many bytes here, or in another thread where they are many."""
    if size <= _INLINE_BYTES:
        return work()
    return await trio.to_thread.run_sync(work, abandon_on_cancel=True)


async def _fetch(cids: Sequence[Cid], planner: Planner, blocks: BlockGetter) -> None:
    queue = iter(cids)
    failures: list[IpvmError] = []

    async def work() -> None:
        for cid in queue:
            try:
                planner.feed(await blocks.get(cid))
            except BlockNotFound as error:
                planner.absent(error)
            except IpvmError as error:
                failures.append(error)
            if failures or planner.exceeded is not None:
                nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for _ in range(min(len(cids), planner.limits.fetches_max)):
            nursery.start_soon(work)
    if failures:
        raise failures[0]
