"""Open a store and the sources behind it, as the user names them, and close what was opened."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from trio.lowlevel import checkpoint

from ipvm.exchange.answer import OnAnswer, ignore_answer
from ipvm.exchange.configuration import configured_gateways
from ipvm.exchange.service import BlockService
from ipvm.exchange.source import Source
from ipvm.limits import Limits
from ipvm.store import Blockstore, store_path

__all__ = ["opened_blocks"]


@asynccontextmanager
async def opened_blocks(
    store: Blockstore | str | Path | None,
    sources: Sequence[Source | str] | None,
    *,
    peers: Sequence[str] = (),
    limits: Limits,
    on_answer: OnAnswer | None = None,
) -> AsyncIterator[tuple[Blockstore, BlockService]]:
    """Open a store, and give it with the sources behind it.

    Args:
        store: A store, or the folder of one; else `IPVM_STORE` or the platform's data folder.
        sources: Where else blocks come from; text is the address of a gateway. Without any, the
            gateways that the user has chosen.
        peers: Addresses of peers, which are asked before gateways.
        limits: Bounds that protect this machine.
        on_answer: Is told which source was asked for what, and what came of it.

    Raises:
        InvalidGateway, InvalidPeerAddress: A text is no address.
        InvalidData, Refused: The store cannot be opened.
    """
    await checkpoint()
    async with AsyncExitStack() as stack:
        if store is None or isinstance(store, str | Path):
            from ipvm.store.lmdb import Lmdb  # noqa: PLC0415 - a memory store needs no LMDB

            path = store_path(store, os.environ)
            store = stack.enter_context(Lmdb(path, map_bytes=limits.store_map_bytes))
        given = configured_gateways(os.environ) if sources is None else sources
        behind: list[Source] = []
        for each in given:
            if isinstance(each, str):
                from ipvm.exchange.gateway import Gateway  # noqa: PLC0415 - where there are any

                behind.append(await stack.enter_async_context(Gateway(each, limits=limits)))
            else:
                behind.append(each)
        if peers:
            from ipvm.exchange.peering import open_peering  # noqa: PLC0415 - few have peers

            gateways = [isinstance(each, str) for each in given]
            place = gateways.index(True) if any(gateways) else len(behind)
            behind.insert(place, await stack.enter_async_context(open_peering(peers)))
        yield (
            store,
            BlockService(store, *behind, limits=limits, on_answer=on_answer or ignore_answer),
        )
